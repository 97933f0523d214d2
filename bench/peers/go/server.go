// The same wire contract in Go, on gorilla/websocket, in memory, as such a server is usually written.
//
// A goroutine for each client reads; writes go straight to the socket, one at a time for each client. One json.Unmarshal
// for a message and no encoding of what is relayed: its payload is copied as it is. Pairing is first come, first served, in
// constant time; no logging, no rate limit. It must stay honest: nothing here is slower than it need be, and nothing that
// clients see is left out.
//
// Environment: PORT (default 8080), HOST (127.0.0.1), REQUEUE_ON_PARTNER_LEAVE (true), HEARTBEAT_SECONDS (30).
package main

import (
	"container/list"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/gorilla/websocket"
)

var (
	requeue    = os.Getenv("REQUEUE_ON_PARTNER_LEAVE") != "false"
	heartbeat  = seconds("HEARTBEAT_SECONDS", 30)
	started    = time.Now()
	instanceID = newID()
	upgrader   = websocket.Upgrader{CheckOrigin: func(*http.Request) bool { return true }}
)

// world holds who waits and who is whose partner; its lock is held for some pointers only, never while something is written.
var world = struct {
	sync.Mutex
	queue   *list.List
	clients map[*client]struct{}
}{queue: list.New(), clients: map[*client]struct{}{}}

type client struct {
	id      string
	socket  *websocket.Conn
	writing sync.Mutex
	partner *client
	waiting *list.Element
}

type message struct {
	Type      string          `json:"type"`
	SDP       json.RawMessage `json:"sdp"`
	Candidate json.RawMessage `json:"candidate"`
}

func newID() string {
	var bytes [12]byte
	rand.Read(bytes[:])
	return hex.EncodeToString(bytes[:])
}

func seconds(name string, otherwise float64) time.Duration {
	value, err := strconv.ParseFloat(os.Getenv(name), 64)
	if err != nil {
		value = otherwise
	}
	return time.Duration(value * float64(time.Second))
}

func (c *client) send(text []byte) {
	c.writing.Lock()
	c.socket.WriteMessage(websocket.TextMessage, text)
	c.writing.Unlock()
}

func (c *client) sendError(code, why string) {
	c.send([]byte(fmt.Sprintf(`{"type":"error","code":%q,"message":%q}`, code, why)))
}

func (c *client) enqueue() {
	world.Lock()
	if c.partner != nil {
		world.Unlock()
		c.sendError("ALREADY_PAIRED", "has a partner")
		return
	}
	if c.waiting != nil {
		world.Unlock()
		return
	}
	first := world.queue.Front()
	if first == nil {
		c.waiting = world.queue.PushBack(c)
		world.Unlock()
		return
	}
	partner := world.queue.Remove(first).(*client)
	partner.waiting = nil
	c.partner, partner.partner = partner, c
	world.Unlock()
	matched(partner, c, newID())
}

func matched(waited, came *client, room string) {
	waited.send([]byte(fmt.Sprintf(`{"type":"matched","roomId":%q,"partnerId":%q,"initiator":false}`, room, came.id)))
	came.send([]byte(fmt.Sprintf(`{"type":"matched","roomId":%q,"partnerId":%q,"initiator":true}`, room, waited.id)))
}

// leave ends the client's room or its waiting; false if there was no room.
func (c *client) leave() bool {
	world.Lock()
	if c.waiting != nil {
		world.queue.Remove(c.waiting)
		c.waiting = nil
	}
	partner := c.partner
	if partner != nil {
		c.partner, partner.partner = nil, nil
	}
	world.Unlock()
	if partner == nil {
		return false
	}
	partner.send([]byte(`{"type":"partner-left"}`))
	if requeue {
		partner.enqueue()
	}
	return true
}

func (c *client) relay(kind, field string, payload json.RawMessage) {
	world.Lock()
	partner := c.partner
	world.Unlock()
	if partner == nil {
		c.sendError("NOT_PAIRED", "no partner")
		return
	}
	text := make([]byte, 0, len(payload)+80)
	text = append(text, `{"type":"`...)
	text = append(text, kind...)
	text = append(text, `","from":"`...)
	text = append(text, c.id...)
	text = append(text, `","`...)
	text = append(text, field...)
	text = append(text, `":`...)
	text = append(text, payload...)
	partner.send(append(text, '}'))
}

func (c *client) receive(data []byte) {
	var said message
	if json.Unmarshal(data, &said) != nil {
		c.sendError("INVALID_FORMAT", "not a JSON object")
		return
	}
	switch said.Type {
	case "ice":
		if len(said.Candidate) == 0 || (said.Candidate[0] != '{' && said.Candidate[0] != 'n') {
			c.sendError("INVALID_FORMAT", "candidate is not an object")
			return
		}
		c.relay("ice", "candidate", said.Candidate)
	case "offer", "answer":
		if len(said.SDP) == 0 {
			c.sendError("INVALID_FORMAT", "no sdp")
			return
		}
		c.relay(said.Type, "sdp", said.SDP)
	case "available":
		c.enqueue()
	case "next":
		if !c.leave() {
			c.sendError("NOT_PAIRED", "no partner")
			return
		}
		c.enqueue()
	case "leave":
		c.leave()
	case "ping":
		c.send([]byte(`{"type":"pong"}`))
	case "auth":
	default:
		c.sendError("UNKNOWN_TYPE", "unknown type")
	}
}

func serve(response http.ResponseWriter, request *http.Request) {
	socket, err := upgrader.Upgrade(response, request, nil)
	if err != nil {
		return
	}
	c := &client{id: newID(), socket: socket}
	socket.SetReadLimit(64 * 1024)
	world.Lock()
	world.clients[c] = struct{}{}
	world.Unlock()
	socket.SetReadDeadline(time.Now().Add(2 * heartbeat))
	socket.SetPongHandler(func(string) error { return socket.SetReadDeadline(time.Now().Add(2 * heartbeat)) })
	c.send([]byte(fmt.Sprintf(`{"type":"ready","clientId":%q}`, c.id)))
	for {
		kind, data, err := socket.ReadMessage()
		if err != nil {
			break
		}
		if kind == websocket.TextMessage {
			c.receive(data)
		} else {
			c.sendError("INVALID_FORMAT", "not text")
		}
	}
	world.Lock()
	delete(world.clients, c)
	world.Unlock()
	c.leave()
	socket.Close()
}

func everybody() []*client {
	world.Lock()
	defer world.Unlock()
	all := make([]*client, 0, len(world.clients))
	for c := range world.clients {
		all = append(all, c)
	}
	return all
}

func health(response http.ResponseWriter, _ *http.Request) {
	world.Lock()
	clients := len(world.clients)
	world.Unlock()
	response.Header().Set("content-type", "application/json")
	json.NewEncoder(response).Encode(map[string]any{
		"ok": true, "uptime": time.Since(started).Seconds(), "clients": clients, "instanceId": instanceID,
	})
}

func main() {
	host, port := os.Getenv("HOST"), os.Getenv("PORT")
	if host == "" {
		host = "127.0.0.1"
	}
	if port == "" {
		port = "8080"
	}
	http.HandleFunc("/ws", serve)
	http.HandleFunc("/healthz", health)
	server := &http.Server{Addr: net.JoinHostPort(host, port)}
	go func() {
		for range time.Tick(heartbeat) {
			for _, c := range everybody() {
				c.socket.WriteControl(websocket.PingMessage, nil, time.Now().Add(time.Second))
			}
		}
	}()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stop
		bye := websocket.FormatCloseMessage(websocket.CloseGoingAway, "")
		for _, c := range everybody() {
			c.socket.WriteControl(websocket.CloseMessage, bye, time.Now().Add(time.Second))
		}
		server.Shutdown(context.Background())
		os.Exit(0)
	}()
	if err := server.ListenAndServe(); err != http.ErrServerClosed {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	select {}
}
