"""The data plane: who answers a request, and in which form the answer goes back."""
