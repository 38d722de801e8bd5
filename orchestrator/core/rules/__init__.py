"""What AWS would refuse, or do silently, and what a plan had better not do: checked before the first call."""
