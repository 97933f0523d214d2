/* Reads and makes WebSocket frames (RFC 6455 5.2): signald/websocket/frames.py says what each function must do, and does it
 * where this was not built. Of Python it uses the limited API of 3.11, so one build serves all later versions. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>
#include <string.h>

#define TEXT 0x81

/* Whether a text message may consist of these bytes: UTF-8 as RFC 3629 section 4 has it, without surrogates. */
static int is_utf8(const unsigned char *text, Py_ssize_t size) {
    Py_ssize_t i = 0;
    while (i < size) {
        uint64_t eight;
        while (i + 8 <= size) {
            memcpy(&eight, text + i, 8);
            if (eight & UINT64_C(0x8080808080808080)) break;
            i += 8;
        }
        if (i >= size) break;
        unsigned char lead = text[i];
        if (lead < 0x80) {
            i++;
            continue;
        }
        Py_ssize_t more = lead < 0xE0 ? 1 : lead < 0xF0 ? 2 : 3;
        if (lead < 0xC2 || lead > 0xF4 || size - i <= more) return 0;
        unsigned char second = text[i + 1];
        if (second < (lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80)) return 0;
        if (second > (lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF)) return 0;
        for (Py_ssize_t k = 2; k <= more; k++)
            if ((text[i + k] & 0xC0) != 0x80) return 0;
        i += more + 1;
    }
    return 1;
}

/* Take the mask of four bytes off `size` bytes. */
static void take_off(unsigned char *to, const unsigned char *from, const unsigned char *mask, Py_ssize_t size) {
    uint64_t eight, twice;
    memcpy(&twice, mask, 4);
    memcpy((unsigned char *)&twice + 4, mask, 4);
    Py_ssize_t i = 0;
    for (; i + 8 <= size; i += 8) {
        memcpy(&eight, from + i, 8);
        eight ^= twice;
        memcpy(to + i, &eight, 8);
    }
    for (; i < size; i++) to[i] = from[i] ^ mask[i & 3];
}

PyDoc_STRVAR(texts_doc, "texts(data, at)\n--\n\nSee `signald.websocket.frames.texts`.");

static PyObject *texts(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    (void)module;
    char *bytes;
    Py_ssize_t size;
    if (count != 2) {
        PyErr_SetString(PyExc_TypeError, "texts() takes data and at");
        return NULL;
    }
    if (PyBytes_AsStringAndSize(args[0], &bytes, &size) < 0) return NULL;
    Py_ssize_t at = PyLong_AsSsize_t(args[1]);
    if (at == -1 && PyErr_Occurred()) return NULL;
    if (at < 0) {
        PyErr_SetString(PyExc_ValueError, "at is below 0");
        return NULL;
    }
    const unsigned char *data = (const unsigned char *)bytes;
    PyObject *found = PyList_New(0);
    if (found == NULL) return NULL;
    while (size - at >= 6 && data[at] == TEXT && data[at + 1] >= 0x80) {
        Py_ssize_t length = data[at + 1] & 0x7F;
        Py_ssize_t start = at + 6;
        if (length == 127) break;
        if (length == 126) {
            length = (Py_ssize_t)data[at + 2] << 8 | data[at + 3];
            start = at + 8;
            if (length < 126) break;
        }
        if (length > size - start) break;
        PyObject *text = PyBytes_FromStringAndSize(NULL, length);
        if (text == NULL) goto failed;
        unsigned char *to = (unsigned char *)PyBytes_AsString(text);
        take_off(to, data + start, data + start - 4, length);
        if (!is_utf8(to, length)) {
            Py_DECREF(text);
            break;
        }
        int appended = PyList_Append(found, text);
        Py_DECREF(text);
        if (appended < 0) goto failed;
        at = start + length;
    }
    return Py_BuildValue("Nn", found, at);
failed:
    Py_DECREF(found);
    return NULL;
}

PyDoc_STRVAR(unmask_doc, "unmask(data, start, end)\n--\n\nSee `signald.websocket.frames.unmask`.");

static PyObject *unmask(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    (void)module;
    char *data;
    Py_ssize_t size;
    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "unmask() takes data, start and end");
        return NULL;
    }
    if (PyBytes_AsStringAndSize(args[0], &data, &size) < 0) return NULL;
    Py_ssize_t start = PyLong_AsSsize_t(args[1]), end = PyLong_AsSsize_t(args[2]);
    if ((start == -1 || end == -1) && PyErr_Occurred()) return NULL;
    if (start < 4 || end < start || end > size) {
        PyErr_SetString(PyExc_ValueError, "no payload behind its mask stands there");
        return NULL;
    }
    PyObject *payload = PyBytes_FromStringAndSize(NULL, end - start);
    if (payload == NULL) return NULL;
    const unsigned char *from = (const unsigned char *)data + start;
    take_off((unsigned char *)PyBytes_AsString(payload), from, from - 4, end - start);
    return payload;
}

PyDoc_STRVAR(frame_doc, "frame(text)\n--\n\nSee `signald.websocket.frames.frame`.");

static PyObject *frame(PyObject *module, PyObject *given) {
    (void)module;
    char *text;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(given, &text, &size) < 0) return NULL;
    unsigned char head[10] = {TEXT};
    Py_ssize_t length = 2;
    if (size < 126) {
        head[1] = (unsigned char)size;
    } else {
        length = size < 65536 ? 4 : 10;
        head[1] = size < 65536 ? 126 : 127;
        for (Py_ssize_t i = length - 1, rest = size; i > 1; i--, rest >>= 8) head[i] = (unsigned char)rest;
    }
    PyObject *made = PyBytes_FromStringAndSize(NULL, length + size);
    if (made == NULL) return NULL;
    char *to = PyBytes_AsString(made);
    memcpy(to, head, length);
    memcpy(to + length, text, size);
    return made;
}

static PyMethodDef methods[] = {
    {"frame", frame, METH_O, frame_doc},
    {"unmask", (PyCFunction)(void (*)(void))unmask, METH_FASTCALL, unmask_doc},
    {"texts", (PyCFunction)(void (*)(void))texts, METH_FASTCALL, texts_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_frames",
    .m_doc = "Reads and makes WebSocket frames.",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__frames(void) { return PyModuleDef_Init(&module); }
