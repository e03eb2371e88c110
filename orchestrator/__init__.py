"""A production line for Huawei Cloud MetaStudio avatar videos."""

__version__ = "0.1.0"
