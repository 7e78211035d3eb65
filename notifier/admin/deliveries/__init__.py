"""The pages of deliveries and of staff's decisions. What they do is in `notifier.delivery.recovery`."""
