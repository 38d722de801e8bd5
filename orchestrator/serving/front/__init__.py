"""What answers HTTP: the server's side, which never imports user code."""
