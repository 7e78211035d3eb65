"""What providers deliver, checked and put into our words. What follows from it is in `consent`."""
