"""The store of blobs, at a folder and at servers that speak the protocols of Azure's blobs and of S3."""
