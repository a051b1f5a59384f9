#!/usr/bin/env bash
# Builds the fuzz targets, or those that are named, with AddressSanitizer, and runs each for FUZZ_SECONDS.
#
# What libFuzzer needs is unstable in rustc only by name: RUSTC_BOOTSTRAP lets the compiler of this repository do it, so that neither nightly nor
# cargo-fuzz have to be installed. What is found grows in target/fuzz; an input that breaks something is named at the end.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${FUZZ_SECONDS:-60}
triple=$(rustc -vV | sed -n 's/^host: //p')
targets=("$@")
[ $# -gt 0 ] || mapfile -t targets < <(sed -n 's/^name = "\(.*\)"/\1/p' tests/fuzz/Cargo.toml | tail -n +2)
folder=${FUZZ_DIR:-target/fuzz}

export RUSTC_BOOTSTRAP=1
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
-Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Zsanitizer=address"
bins=()
for target in "${targets[@]}"; do bins+=(--bin "$target"); done
# The versions that the product is built with.
cp Cargo.lock tests/fuzz/Cargo.lock
cargo build --release --manifest-path tests/fuzz/Cargo.toml --target "$triple" --target-dir "$folder" "${bins[@]}"

failed=()
for target in "${targets[@]}"; do
  mkdir -p "$folder/corpus/$target" "$folder/artifacts/$target"
  echo "== $target: $seconds s"
  "$folder/$triple/release/$target" "$folder/corpus/$target" "tests/fuzz/corpus/$target" -max_total_time="$seconds" -timeout=60 \
    -rss_limit_mb=4096 -print_final_stats=1 -verbosity=0 -artifact_prefix="$folder/artifacts/$target/" || failed+=("$target")
done
if [ ${#failed[@]} -gt 0 ]; then
  echo "broken: ${failed[*]}; the inputs are in $folder/artifacts" >&2
  exit 1
fi
