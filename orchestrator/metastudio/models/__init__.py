"""The API's schemas as pydantic models, one module per API category; import the module that you need."""
