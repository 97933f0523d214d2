/* Reads usual offers, answers and candidates: signald/core/signals.py says which. What is not plainly right, or is said in
 * an unusual way, is left to the reference there, so nothing has two meanings. Of Python it uses the limited API of 3.11, so
 * one build serves all later versions. */

#define PY_SSIZE_T_CLEAN
#define Py_LIMITED_API 0x030B0000
#include <Python.h>
#include <stdint.h>
#include <string.h>

#define MAX_DEPTH 8
#define MAX_DIGITS 15

/* A part of the text, or a word to hold against it. */
typedef struct {
    const char *text;
    Py_ssize_t size;
} Span;

#define WORD(text) {text, sizeof(text) - 1}

enum { OFFER, ANSWER, ICE, KINDS };

static const Span TYPES[KINDS] = {WORD("\"offer\""), WORD("\"answer\""), WORD("\"ice\"")};

enum { TYPE, SDP, CANDIDATE, ROOM, FIELDS };

static const Span NAMES[FIELDS] = {WORD("\"type\""), WORD("\"sdp\""), WORD("\"candidate\""), WORD("\"roomId\"")};

/* What is still to be read. */
typedef struct {
    const char *at, *end;
} Rest;

static int index_of(Span said, const Span *words, int count) {
    for (int i = 0; i < count; i++)
        if (said.size == words[i].size && memcmp(said.text, words[i].text, said.size) == 0) return i;
    return -1;
}

static void skip_blanks(Rest *rest) {
    while (rest->at < rest->end && *rest->at == ' ') rest->at++;
}

/* The functions below read something, and give whether it was there. */

static int read_byte(Rest *rest, char byte) {
    skip_blanks(rest);
    if (rest->at == rest->end || *rest->at != byte) return 0;
    rest->at++;
    return 1;
}

static int read_word(Rest *rest, Span word) {
    if (rest->end - rest->at < word.size || memcmp(rest->at, word.text, word.size) != 0) return 0;
    rest->at += word.size;
    return 1;
}

/* Whether a byte of a string needs a second look: the quote at its end, a backslash, a control character. */
static int is_special(char byte) { return byte == '"' || byte == '\\' || (unsigned char)byte < ' '; }

/* Where the next byte stands that is special, or the end. */
static const char *find_special(const char *at, const char *end) {
    const uint64_t ones = 0x0101010101010101, highs = ones << 7;
    for (; end - at >= 8; at += 8) { /* eight at once */
        uint64_t eight;
        memcpy(&eight, at, 8);
        uint64_t quotes = eight ^ ones * '"', slashes = eight ^ ones * '\\';
        if ((((quotes - ones) & ~quotes) | ((slashes - ones) & ~slashes) | ((eight - ones * ' ') & ~eight)) & highs) break;
    }
    while (at < end && !is_special(*at)) at++;
    return at;
}

static int may_be_escaped(char byte) {
    switch (byte) {
        case '"': case '\\': case '/': case 'b': case 'f': case 'n': case 'r': case 't': return 1;
        default: return 0; /* \u most of all: it may be half of a pair */
    }
}

static int read_string(Rest *rest) {
    if (!read_byte(rest, '"')) return 0;
    while ((rest->at = find_special(rest->at, rest->end)) < rest->end) {
        char byte = *rest->at++;
        if (byte == '"') return 1;
        if (byte != '\\' || rest->at == rest->end || !may_be_escaped(*rest->at++)) return 0;
    }
    return 0;
}

/* An integer. */
static int read_number(Rest *rest) {
    if (*rest->at == '-') rest->at++;
    const char *from = rest->at;
    while (rest->at < rest->end && *rest->at >= '0' && *rest->at <= '9') rest->at++;
    Py_ssize_t digits = rest->at - from;
    return digits == 1 || (digits > 1 && digits <= MAX_DIGITS && *from != '0');
}

/* A value that is no array. */
static int read_value(Rest *rest, int depth) {
    static const Span TRUE = WORD("true"), FALSE = WORD("false"), NULL_ = WORD("null");
    skip_blanks(rest);
    if (rest->at == rest->end) return 0;
    switch (*rest->at) {
        case '"': return read_string(rest);
        case 't': return read_word(rest, TRUE);
        case 'f': return read_word(rest, FALSE);
        case 'n': return read_word(rest, NULL_);
        case '{': break;
        default: return read_number(rest);
    }
    rest->at++;
    if (depth == MAX_DEPTH) return 0;
    if (read_byte(rest, '}')) return 1;
    do {
        if (!read_string(rest) || !read_byte(rest, ':') || !read_value(rest, depth + 1)) return 0;
    } while (read_byte(rest, ','));
    return read_byte(rest, '}');
}

/* An object that has no other fields than these, and none twice. */
static int read_fields(Rest *rest, Span fields[FIELDS]) {
    if (!read_byte(rest, '{')) return 0;
    do {
        skip_blanks(rest);
        Span name = {rest->at, 0};
        if (!read_string(rest)) return 0;
        name.size = rest->at - name.text;
        int field = index_of(name, NAMES, FIELDS);
        if (field < 0 || fields[field].text != NULL || !read_byte(rest, ':')) return 0;
        skip_blanks(rest);
        fields[field].text = rest->at;
        if (!read_value(rest, 1)) return 0;
        fields[field].size = rest->at - fields[field].text;
    } while (read_byte(rest, ','));
    return read_byte(rest, '}') && rest->at == rest->end;
}

PyDoc_STRVAR(read_doc, "read(otherwise, offer, answer, ice, raw, text)\n--\n\nSee `signald.core.signals`.");

static PyObject *read_signal(PyObject *module, PyObject *const *args, Py_ssize_t count) {
    (void)module;
    char *text;
    Py_ssize_t size;
    if (count != 6) {
        PyErr_SetString(PyExc_TypeError, "read() takes a function, four types and a text");
        return NULL;
    }
    if (PyBytes_AsStringAndSize(args[5], &text, &size) < 0) return NULL;
    Rest rest = {text, text + size};
    Span fields[FIELDS] = {{NULL, 0}};
    if (!read_fields(&rest, fields) || fields[TYPE].text == NULL) goto unusual;
    int kind = index_of(fields[TYPE], TYPES, KINDS);
    Span payload = fields[kind == ICE ? CANDIDATE : SDP], room = fields[ROOM];
    if (kind < 0 || payload.text == NULL || fields[kind == ICE ? SDP : CANDIDATE].text != NULL) goto unusual;
    if (kind == ICE && *payload.text != '{' && *payload.text != 'n') goto unusual;

    PyObject *carried = PyBytes_FromStringAndSize(payload.text, payload.size), *about = NULL, *made = NULL;
    if (room.text != NULL) about = PyObject_CallFunction(args[4], "y#", room.text, room.size);
    if (carried != NULL && (room.text == NULL) == (about == NULL)) /* without it the arguments end there */
        made = PyObject_CallFunctionObjArgs(args[1 + kind], carried, about, NULL);
    Py_XDECREF(carried);
    Py_XDECREF(about);
    return made;
unusual:
    return PyObject_CallFunctionObjArgs(args[0], args[5], NULL);
}

static PyMethodDef methods[] = {
    {"read", (PyCFunction)(void (*)(void))read_signal, METH_FASTCALL, read_doc},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot slots[] = {{0, NULL}};

static struct PyModuleDef module = {
    .m_base = PyModuleDef_HEAD_INIT,
    .m_name = "_signals",
    .m_doc = "Reads usual offers, answers and candidates.",
    .m_size = 0,
    .m_methods = methods,
    .m_slots = slots,
};

PyMODINIT_FUNC PyInit__signals(void) { return PyModuleDef_Init(&module); }
