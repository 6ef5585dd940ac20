#!/bin/sh
# A server from the shell, with curl and grpcurl. `viseme serve` starts one; speech.wav is any sound.
# Addresses are those of its defaults; give others as `shell.sh HTTP GRPC`.
set -eu
http=${1:-127.0.0.1:8080}
grpc=${2:-127.0.0.1:50051}

# Is it there, and is it ready?
curl --fail --silent --show-error "http://$http/health"
echo
curl --fail --silent --show-error "http://$http/readyz"
echo

# Who can speak?
curl --fail --silent --show-error "http://$http/v1/avatars"
echo

# A sound in, a video out, streamed as it is made.
curl --fail --silent --show-error --data-binary @speech.wav \
    --header "Content-Type: audio/wav" --output shell.mp4 "http://$http/v1/render"

# The same server through gRPC; it tells grpcurl of its services by reflection.
if ! command -v grpcurl >/dev/null; then
    echo "grpcurl is not installed; its part is left out."
    exit
fi
grpcurl -plaintext "$grpc" list
grpcurl -plaintext "$grpc" lipsync.LipSync/Health
grpcurl -plaintext "$grpc" viseme.v1.Viseme/ListAvatars
grpcurl -plaintext -d '{"name": "demo"}' "$grpc" viseme.v1.Viseme/GetAvatar
grpcurl -plaintext "$grpc" grpc.health.v1.Health/Check
# A bad batch is answered with success: false and a sentence.
grpcurl -plaintext -d '{"batch_size": 26}' "$grpc" lipsync.LipSync/InferBatch
# A clip as pictures; bytes are base64 in JSON.
sound=$(base64 <speech.wav | tr -d '\n')
printf '{"start": {"pictures": {}}, "sound": "%s"}' "$sound" |
    grpcurl -plaintext -d @ "$grpc" viseme.v1.Viseme/Render >shell.json
