#!/bin/sh
# Makes the namespace and the search attributes by which transactions are found; changes nothing that is there.
# Reads TEMPORAL_ADDRESS, TEMPORAL_NAMESPACE and TEMPORAL_RETENTION (such as 720h).
set -eu

# The server serves its port before it can answer, and a new namespace takes seconds to be known everywhere.
try() {
  left=30
  until "$@"; do
    left=$((left - 1))
    if [ "$left" -eq 0 ]; then
      echo "gave up after 30 tries: $*" >&2
      exit 1
    fi
    sleep 2
  done
}

namespace() {
  temporal operator namespace describe --namespace "$TEMPORAL_NAMESPACE" >/dev/null 2>&1 ||
    temporal operator namespace create --namespace "$TEMPORAL_NAMESPACE" --retention "$TEMPORAL_RETENTION"
}

attribute() {
  temporal operator search-attribute create --namespace "$TEMPORAL_NAMESPACE" --name "$1" --type "$2"
}

try namespace
try attribute TxScheme Keyword
try attribute TxState Keyword
try attribute TxStuckSince Datetime
try attribute TxBranch KeywordList
