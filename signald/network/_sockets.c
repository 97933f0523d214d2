/* Accepts, reads, writes and polls sockets: signald/network/sockets.py says how, and is the reference. None of them waits, so Python's
 * lock is kept, but for a poll that may wait. Of Python it uses the limited API of 3.11, so one build serves all later versions. */

#define _GNU_SOURCE /* accept4(2) */
#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <errno.h>
#include <arpa/inet.h>
#include <limits.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_BYTES 65536
#define POLL_BYTES (1024 * 1024)
#define MAX_EVENTS 1024

/* A descriptor, or anything that the kernel knows for none. */
static int as_descriptor(PyObject *given) {
    long descriptor = PyLong_AsLong(given);
    return descriptor < 0 || descriptor > INT_MAX ? -1 : (int)descriptor;
}

PyDoc_STRVAR(receive_doc, "receive(descriptor)\n--\n\nSee `signald.network.sockets.receive`.");

static PyObject *receive(PyObject *module, PyObject *given) {
    (void)module;
    char room[READ_BYTES];
    int descriptor = as_descriptor(given);
    if (descriptor < 0 && PyErr_Occurred()) return NULL;
    Py_ssize_t size = recv(descriptor, room, sizeof(room), 0);
    return size < 0 ? PyErr_SetFromErrno(PyExc_OSError) : PyBytes_FromStringAndSize(room, size);
}

PyDoc_STRVAR(send_doc, "send(descriptor, data)\n--\n\nSee `signald.network.sockets.send`.");

static PyObject *give(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    (void)module;
    char *data;
    Py_ssize_t size;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "send() takes a descriptor and data");
        return NULL;
    }
    int descriptor = as_descriptor(args[0]);
    if ((descriptor < 0 && PyErr_Occurred()) || PyBytes_AsStringAndSize(args[1], &data, &size) < 0) return NULL;
    Py_ssize_t sent = send(descriptor, data, size, MSG_NOSIGNAL);
    return sent < 0 ? PyErr_SetFromErrno(PyExc_OSError) : PyLong_FromSsize_t(sent);
}

/* An address as Python has it (see its `socket`), with what it is the address of. */
static PyObject *with_address(int descriptor, const struct sockaddr_storage *address) {
    char host[INET6_ADDRSTRLEN];
    const struct sockaddr_in *ip4 = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *ip6 = (const struct sockaddr_in6 *)address;
    if (address->ss_family == AF_INET && inet_ntop(AF_INET, &ip4->sin_addr, host, sizeof(host)) != NULL)
        return Py_BuildValue("i(si)", descriptor, host, ntohs(ip4->sin_port));
    if (address->ss_family == AF_INET6 && inet_ntop(AF_INET6, &ip6->sin6_addr, host, sizeof(host)) != NULL)
        return Py_BuildValue(
            "i(siII)", descriptor, host, ntohs(ip6->sin6_port), ntohl(ip6->sin6_flowinfo), ip6->sin6_scope_id
        );
    PyErr_SetString(PyExc_OSError, "a connection of no family that is known here");
    return NULL;
}

PyDoc_STRVAR(accept_doc, "accept(listening)\n--\n\nSee `signald.network.sockets.acceptor`.");

static PyObject *take(PyObject *module, PyObject *given) {
    (void)module;
    struct sockaddr_storage address;
    socklen_t size = sizeof(address);
    int listening = as_descriptor(given);
    if (listening < 0 && PyErr_Occurred()) return NULL;
    int descriptor = accept4(listening, (struct sockaddr *)&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (descriptor < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) Py_RETURN_NONE;
    if (descriptor < 0) return PyErr_SetFromErrno(PyExc_OSError);
    PyObject *found = with_address(descriptor, &address);
    if (found == NULL) close(descriptor);
    return found;
}

/* Milliseconds for epoll_wait(2), rounded up, so that nobody wakes before it is time; -1 for as long as it takes. */
static int as_milliseconds(PyObject *given) {
    if (given == Py_None) return -1;
    double exact = PyFloat_AsDouble(given) * 1000;
    if (!(exact >= 0)) return -1;
    if (exact >= INT_MAX) return INT_MAX;
    int whole = (int)exact;
    return whole < exact ? whole + 1 : whole;
}

/* Who holds a descriptor that is ready, what it is ready for, and what has come if it can only be read; `taken` counts that. */
static PyObject *as_ready(PyObject *holders, const struct epoll_event *event, Py_ssize_t *taken) {
    char room[READ_BYTES];
    PyObject *data = NULL, *ready = NULL;
    PyObject *descriptor = PyLong_FromLong(event->data.fd), *events = PyLong_FromUnsignedLong(event->events);
    PyObject *holder = descriptor == NULL || events == NULL ? NULL : PyDict_GetItemWithError(holders, descriptor);
    Py_XINCREF(holder); /* making the objects below may collect garbage, and that change the dictionary */
    if (holder != NULL && event->events == EPOLLIN && *taken < POLL_BYTES) {
        Py_ssize_t size = recv(event->data.fd, room, sizeof(room), MSG_DONTWAIT);
        if (size > 0) { /* all else is met by whoever holds it */
            *taken += size;
            data = PyBytes_FromStringAndSize(room, size);
        }
    }
    if (!PyErr_Occurred()) ready = PyTuple_Pack(3, holder ? holder : Py_None, events, data ? data : Py_None);
    Py_XDECREF(descriptor);
    Py_XDECREF(events);
    Py_XDECREF(holder);
    Py_XDECREF(data);
    return ready;
}

PyDoc_STRVAR(poll_doc, "poll(epoll, holders, timeout, at_most)\n--\n\nSee `signald.network.sockets.poller`.");

static PyObject *poll(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    (void)module;
    struct epoll_event events[MAX_EVENTS];
    if (count != 4 || !PyDict_Check(args[1])) {
        PyErr_SetString(PyExc_TypeError, "poll() takes a descriptor, a dictionary, a time and a number");
        return NULL;
    }
    int descriptor = as_descriptor(args[0]), timeout = as_milliseconds(args[2]);
    long at_most = PyLong_AsLong(args[3]);
    if (PyErr_Occurred()) return NULL;
    if (at_most < 1 || at_most > MAX_EVENTS) {
        PyErr_SetString(PyExc_ValueError, "so many events cannot be polled");
        return NULL;
    }
    int ready;
    if (timeout == 0) {
        ready = epoll_wait(descriptor, events, (int)at_most, 0);
    } else {
        Py_BEGIN_ALLOW_THREADS
        ready = epoll_wait(descriptor, events, (int)at_most, timeout);
        Py_END_ALLOW_THREADS
    }
    if (ready < 0 && errno == EINTR) { /* a signal: whoever polls looks at the time again anyway */
        if (PyErr_CheckSignals() < 0) return NULL;
        ready = 0;
    }
    if (ready < 0) return PyErr_SetFromErrno(PyExc_OSError);
    Py_ssize_t taken = 0;
    PyObject *found = PyList_New(ready);
    for (int i = 0; i < ready && found != NULL; i++) {
        PyObject *event = as_ready(args[1], &events[i], &taken);
        if (event == NULL || PyList_SetItem(found, i, event) < 0) Py_CLEAR(found);
    }
    return found;
}

static PyMethodDef methods[] = {
    {"receive", receive, METH_O, receive_doc},
    {"send", (PyCFunction)(void (*)(void))give, METH_FASTCALL, send_doc},
    {"accept", take, METH_O, accept_doc},
    {"poll", (PyCFunction)(void (*)(void))poll, METH_FASTCALL, poll_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_sockets",
    .m_doc = "Accepts, reads, writes and polls sockets.",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__sockets(void) { return PyModuleDef_Init(&module); }
