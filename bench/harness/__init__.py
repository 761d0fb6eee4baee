"""What bench/compare.sh and bench/scale.sh run. bench/README.md is the way in."""
