"""What is told of answers and workers: to logs, to metrics, and to whoever develops the model."""
