"""One file per device family. `devices.registry` finds them: adding a family needs no other change."""
