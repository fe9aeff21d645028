"""What tests, benchmarks and load tests share: executors, Docker's engine, doubles of Pulumi's engine and of Azure."""
