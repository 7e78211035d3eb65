"""What providers deliver to us over HTTP. A provider takes one class: see `base.SmsProvider`, `twilio.Twilio`."""
