"""Content-addressed blobs: in a folder, in Azure's blob storage or in S3, with a bounded cache on this replica's disk."""
