//go:build linux

package load

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// poller waits for sockets and for a moment. epoll's own time-out is in whole milliseconds, which
// is longer than most answers take, so the moment is a file that becomes readable.
type poller struct {
	fd, timer int
	events    [512]unix.EpollEvent
}

// timerID is what the timer is called among the connections.
const timerID = -1

func newPoller() (*poller, error) {
	fd, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making an epoll: %w", err)
	}
	timer, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("making a timer: %w", err)
	}
	p := &poller{fd: fd, timer: timer}
	return p, p.add(timer, timerID, unix.EPOLLIN|unix.EPOLLET)
}

func (p *poller) close() {
	unix.Close(p.timer)
	unix.Close(p.fd)
}

func (p *poller) add(fd, id int, events uint32) error {
	return unix.EpollCtl(p.fd, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: events, Fd: int32(id)})
}

// wait returns what is ready, at the latest after so long. It never waits longer than a second.
func (p *poller) wait(most time.Duration) ([]unix.EpollEvent, error) {
	timeout := 1000
	switch {
	case most <= 0:
		timeout = 0
	case most < time.Second:
		moment := unix.ItimerSpec{Value: unix.NsecToTimespec(most.Nanoseconds())}
		if err := unix.TimerfdSettime(p.timer, 0, &moment, nil); err != nil {
			return nil, fmt.Errorf("setting a timer: %w", err)
		}
	}
	n, err := unix.EpollWait(p.fd, p.events[:], timeout)
	if errors.Is(err, unix.EINTR) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("waiting: %w", err)
	}
	ready := p.events[:0]
	for _, event := range p.events[:n] {
		if event.Fd != timerID {
			ready = append(ready, event)
		}
	}
	return ready, nil
}
