"""CloudWatch as far as moto lacks it: datapoints, statistics, metric math, alarms and their history."""
