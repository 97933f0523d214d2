/* Reads usual handshakes (RFC 6455 4.2.1): signald/network/upgrade.py says what is read. What is not plainly right and said
 * in one of the ways of browsers and common libraries is left to the reference there, so nothing has two meanings. Of Python
 * it uses the limited API of 3.11, so one build serves all later versions. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>
#include <string.h>

#define MAX_HEAD_BYTES (16 * 1024)
#define MAX_HEADERS 64
#define MAX_PROTOCOLS 8

/* A part of the head, or a word to hold against it. */
typedef struct {
    const char *text;
    Py_ssize_t size;
} Span;

#define WORD(text) {text, sizeof(text) - 1}

enum { HOST, UPGRADE, CONNECTION, KEY, VERSION, PROTOCOLS, ORIGIN, FORWARDED, LENGTH, CODING, KNOWN };

static const Span NAMES[KNOWN] = {
    WORD("host"),
    WORD("upgrade"),
    WORD("connection"),
    WORD("sec-websocket-key"),
    WORD("sec-websocket-version"),
    WORD("sec-websocket-protocol"),
    WORD("origin"),
    WORD("x-forwarded-for"),
    WORD("content-length"),
    WORD("transfer-encoding"),
};

static const Span GET = WORD("GET /ws"), HTTP = WORD(" HTTP/1.1\r\n"), WEBSOCKET = WORD("websocket"), THIRTEEN = WORD("13");
static const Span ALONE = WORD("upgrade"), FIREFOX = WORD("keep-alive, upgrade");

static int is_blank(char byte) { return byte == ' ' || byte == '\t'; }

static int is_visible(char byte) { return byte > ' ' && byte <= '~'; }

static char lower(char byte) { return byte >= 'A' && byte <= 'Z' ? byte + 32 : byte; }

/* Whether both are the same but for upper case in the first. */
static int is(Span said, Span word) {
    if (said.size != word.size) return 0;
    for (Py_ssize_t i = 0; i < word.size; i++)
        if (lower(said.text[i]) != word.text[i]) return 0;
    return 1;
}

static int begins(const char *at, const char *end, Span word) {
    return end - at >= word.size && memcmp(at, word.text, word.size) == 0;
}

static Span strip(const char *from, const char *to) {
    while (from < to && is_blank(*from)) from++;
    while (from < to && is_blank(to[-1])) to--;
    return (Span){from, to - from};
}

/* Find the values of known headers; give what follows the empty line, or NULL if anything is unusual. Names are told apart
 * by a hash: that two have the same by chance is unusual, too. */
static const char *headers(const char *at, const char *end, Span values[KNOWN]) {
    uint32_t hashes[MAX_HEADERS];
    for (int count = 0; count < MAX_HEADERS; count++) {
        if (end - at >= 2 && at[0] == '\r' && at[1] == '\n') return at + 2;
        Span name = {at, 0};
        uint32_t hash = 2166136261u;
        for (; at < end && *at != ':'; at++) {
            if (!is_visible(*at)) return NULL;
            hash = (hash ^ (unsigned char)lower(*at)) * 16777619u;
        }
        name.size = at - name.text;
        if (at == end || name.size == 0) return NULL;
        for (int i = 0; i < count; i++)
            if (hashes[i] == hash) return NULL;
        hashes[count] = hash;
        const char *value = ++at;
        while (at < end && (is_visible(*at) || is_blank(*at))) at++;
        if (end - at < 2 || at[0] != '\r' || at[1] != '\n') return NULL;
        for (int known = 0; known < KNOWN; known++)
            if (is(name, NAMES[known])) values[known] = strip(value, at);
        at += 2;
    }
    return NULL;
}

static int is_key(Span key) {
    if (key.size != 24 || key.text[22] != '=' || key.text[23] != '=') return 0;
    for (int i = 0; i < 22; i++) {
        char byte = key.text[i], letter = lower(byte);
        if (!(letter >= 'a' && letter <= 'z') && !(byte >= '0' && byte <= '9') && byte != '+' && byte != '/') return 0;
    }
    return 1;
}

/* Whether this is a name or an IPv4 address, maybe with a port. */
static int is_host(Span host) {
    const char *end = host.text + host.size, *at = memchr(host.text, ':', host.size);
    if (at == NULL) return 1;
    Py_ssize_t digits = end - ++at;
    while (at < end && *at >= '0' && *at <= '9') at++;
    return at == end && digits >= 1 && digits <= 9;
}

/* Part a list at its commas; give the number of words, or -1 if anything is unusual. */
static int split(Span list, Span words[MAX_PROTOCOLS]) {
    const char *at = list.text, *end = at + list.size;
    for (int count = 0; count < MAX_PROTOCOLS; at++) {
        const char *from = at;
        while (at < end && *at != ',') at++;
        Span word = strip(from, at);
        if (word.size == 0) return -1;
        for (int i = 0; i < count; i++)
            if (words[i].size == word.size && memcmp(words[i].text, word.text, word.size) == 0) return -1;
        words[count++] = word;
        if (at == end) return count;
    }
    return -1;
}

PyDoc_STRVAR(read_doc, "read(otherwise, make, data)\n--\n\nGive `make(...)` of a usual handshake, `otherwise(data)` of all else.");

static PyObject *read_upgrade(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    (void)module;
    char *data;
    Py_ssize_t size;
    if (count != 3) {
        PyErr_SetString(PyExc_TypeError, "read() takes otherwise, make and data");
        return NULL;
    }
    if (PyBytes_AsStringAndSize(args[2], &data, &size) < 0) return NULL;
    Span values[KNOWN] = {{NULL, 0}}, offered[MAX_PROTOCOLS], query = WORD(""), forwarded = WORD("");
    const char *at = data, *end = data + (size < MAX_HEAD_BYTES + 4 ? size : MAX_HEAD_BYTES + 4);
    int protocols = 0;
    if (!begins(at, end, GET)) goto unusual;
    at += GET.size;
    if (at < end && *at == '?') {
        query.text = ++at;
        while (at < end && is_visible(*at) && *at != '#') at++;
        query.size = at - query.text;
    }
    if (!begins(at, end, HTTP)) goto unusual;
    at = headers(at + HTTP.size, end, values);
    if (at == NULL || values[LENGTH].text != NULL || values[CODING].text != NULL) goto unusual;
    for (int needed = HOST; needed <= VERSION; needed++)
        if (values[needed].text == NULL) goto unusual;
    if (!is(values[UPGRADE], WEBSOCKET) || !is(values[VERSION], THIRTEEN)) goto unusual;
    if (!is(values[CONNECTION], ALONE) && !is(values[CONNECTION], FIREFOX)) goto unusual;
    if (!is_key(values[KEY]) || !is_host(values[HOST])) goto unusual;
    if (values[PROTOCOLS].text != NULL) {
        protocols = split(values[PROTOCOLS], offered);
        if (protocols < 0) goto unusual;
    }
    if (values[FORWARDED].text != NULL) forwarded = values[FORWARDED];

    PyObject *words = PyTuple_New(protocols);
    if (words == NULL) return NULL;
    for (int i = 0; i < protocols; i++) {
        PyObject *word = PyUnicode_FromStringAndSize(offered[i].text, offered[i].size);
        if (word == NULL || PyTuple_SetItem(words, i, word) < 0) {
            Py_DECREF(words);
            return NULL;
        }
    }
    return PyObject_CallFunction(
        args[1], "y#z#Ns#y#n", values[KEY].text, values[KEY].size, values[ORIGIN].text, values[ORIGIN].size, words,
        query.text, query.size, forwarded.text, forwarded.size, (Py_ssize_t)(at - data)
    );
unusual:
    return PyObject_CallFunctionObjArgs(args[0], args[2], NULL);
}

static PyMethodDef methods[] = {
    {"read", (PyCFunction)(void (*)(void))read_upgrade, METH_FASTCALL, read_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_upgrade",
    .m_doc = "Reads usual handshakes.",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__upgrade(void) { return PyModuleDef_Init(&module); }
