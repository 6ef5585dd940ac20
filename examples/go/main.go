// A client of the existing contract, proto/lipsync.proto, in Go: batches of 1, 5, 10 and 25 frames
// from a folder that `viseme testdata faces` makes, and what they took.
//
// How to build it is in examples/README.md.
package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"math"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	pb "example.com/viseme-client/lipsync"
)

const (
	maxMessageBytes = 200 << 20 // as in the contract; gRPC for Go would take 4 MB
	channels        = 6         // the crop and its masked copy, each in B, G, R
	callTimeout     = time.Minute
)

// testData is a folder of frames, each with a window of audio features.
type testData struct {
	frames, faceValues, windows, windowValues int
	visual, audio                             []float32
}

func main() {
	address := flag.String("address", "127.0.0.1:50051", "host:port of the server")
	folder := flag.String("data", "faces", "a folder that `viseme testdata` has made")
	flag.Parse()
	if err := run(*address, *folder); err != nil {
		log.Fatal(err)
	}
}

func run(address, folder string) error {
	data, err := readTestData(folder)
	if err != nil {
		return err
	}
	connection, err := grpc.NewClient(
		address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(
			grpc.MaxCallRecvMsgSize(maxMessageBytes),
			grpc.MaxCallSendMsgSize(maxMessageBytes),
		),
	)
	if err != nil {
		return err
	}
	defer connection.Close()
	client := pb.NewLipSyncClient(connection)

	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	health, err := client.Health(ctx, &pb.HealthRequest{})
	if err != nil {
		return err
	}
	fmt.Printf("%s serves %s, healthy: %t, CUDA: %t\n",
		address, health.ModelPath, health.Healthy, health.CudaAvailable)

	for _, batch := range []int{1, 5, 10, 25} {
		if err := inferBatch(client, data, batch); err != nil {
			return err
		}
	}
	return nil
}

// inferBatch sends one batch, frame after frame from the first on and over again where there are
// fewer, all of them under the window of the first.
func inferBatch(client pb.LipSyncClient, data *testData, batch int) error {
	visual := make([]float32, 0, batch*data.faceValues)
	for i := 0; i < batch; i++ {
		at := (i % data.frames) * data.faceValues
		visual = append(visual, data.visual[at:at+data.faceValues]...)
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	start := time.Now()
	response, err := client.InferBatch(ctx, &pb.BatchRequest{
		VisualFrames:  visual,
		AudioFeatures: data.audio[:data.windowValues],
		BatchSize:     int32(batch),
		StartFrameIdx: 0,
	})
	if err != nil {
		return err // a limit, a deadline, no server: a status of gRPC
	}
	if !response.Success {
		return errors.New(response.Error) // a request that does not fit: a sentence
	}
	if want := batch * data.faceValues / 2; len(response.OutputFrames) != want {
		return fmt.Errorf("got %d values, expected %d", len(response.OutputFrames), want)
	}
	took := float64(time.Since(start).Microseconds()) / 1000
	fmt.Printf("batch %2d: server %8.1f ms, round trip %8.1f ms, overhead %7.1f ms, %6.1f frames/s\n",
		batch, response.InferenceTimeMs, took, took-response.InferenceTimeMs,
		1000*float64(batch)/took)
	return nil
}

func readTestData(folder string) (*testData, error) {
	text, err := os.ReadFile(filepath.Join(folder, "metadata.json"))
	if err != nil {
		return nil, err
	}
	var metadata struct {
		VisualShape []int `json:"visual_shape"` // frames, 6, size, size
		AudioShape  []int `json:"audio_shape"`  // windows, 32, 16, 16
	}
	if err := json.Unmarshal(text, &metadata); err != nil {
		return nil, err
	}
	if len(metadata.VisualShape) != 4 || len(metadata.AudioShape) != 4 ||
		metadata.VisualShape[1] != channels {
		return nil, fmt.Errorf("%s: shapes of another kind", folder)
	}
	data := &testData{
		frames:       metadata.VisualShape[0],
		windows:      metadata.AudioShape[0],
		faceValues:   product(metadata.VisualShape[1:]),
		windowValues: product(metadata.AudioShape[1:]),
	}
	if data.visual, err = readFloats(folder, "visual_input.bin", data.frames*data.faceValues); err != nil {
		return nil, err
	}
	data.audio, err = readFloats(folder, "audio_input.bin", data.windows*data.windowValues)
	return data, err
}

// readFloats reads a file of so many float32, little-endian, without a header.
func readFloats(folder, name string, count int) ([]float32, error) {
	path := filepath.Join(folder, name)
	bytes, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	if count < 1 || len(bytes) != 4*count {
		return nil, fmt.Errorf("%s has %d bytes, expected %d", path, len(bytes), 4*count)
	}
	values := make([]float32, count)
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(bytes[4*i:]))
	}
	return values, nil
}

func product(extents []int) int {
	result := 1
	for _, extent := range extents {
		result *= extent
	}
	return result
}
