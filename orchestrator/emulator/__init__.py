"""An emulator of MetaStudio, its IAM and its object storage: state, faults, callbacks and real videos."""
