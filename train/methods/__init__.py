"""Methods: what trains. `memory` and `lora`, one file each."""
