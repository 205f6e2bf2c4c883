"""Real commands without their imports: processes that have imported the programs fork for each."""
