"""What clients open by a signed link, without log-in or cookie. What a press changes is in `consent`."""
