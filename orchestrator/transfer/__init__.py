"""Moving files to and from object storage over presigned URLs; knows neither the API nor pipelines."""
