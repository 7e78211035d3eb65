"""One module for each way to hand a message to a provider. They know neither models nor tickets nor queues."""
