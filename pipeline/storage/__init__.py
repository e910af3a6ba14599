"""Where a store's files lie: in a local folder, or in a bucket behind S3's protocol."""
