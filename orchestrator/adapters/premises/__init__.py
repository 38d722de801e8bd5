"""What an account has for deployments, and only an examination looks at; each service has a module."""
