"""CloudFormation for what an account needs first; the templates lie beside this file.

``account.yaml`` is deployed once for an account and region, ``endpoint.yaml`` once for each endpoint.
"""
