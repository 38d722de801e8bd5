"""CloudFormation: stacks of resources that the local cloud really makes."""
