"""The shop: a thousand orders, four services, one workflow, any placement."""
