"""What pyright strict makes of users' code: nothing where it is right, each mistake where not."""
