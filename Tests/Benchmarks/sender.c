// Sends a file of remote write requests (requests_file.py) over HTTP/1.1 and prints one line of JSON about it.
//
//   sender FILE PORT PATH CONNECTIONS now|due [AUTHORITY.pem]
//
// `now` sends as fast as requests are accepted, `due` each one when it is due. With an authority it speaks TLS. The
// environment's SENDER_TOKEN is the bearer token. A connection is a thread that sends the records of its lanes in order
// and waits for each answer; 429 and 503 are asked again, other refusals are counted.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 16, HEAD_MAX = 16 << 10, RECORD_HEAD = 20, RETRIES_MAX = 600, RECONNECTS_MAX = 20 };

static const char *host = "127.0.0.1";
static const uint8_t *file;
static size_t fileSize;
static int port, connections;
static const char *path, *token;
static bool isPaced;
static SSL_CTX *tls;

typedef struct {
  int index, socket;
  SSL *ssl;
  uint8_t *out;
  size_t outSize;
  uint64_t samples, requests, bytes, refused, retried;
  double latest;  // most seconds behind the time a request was due
  char refusal[256];
} Connection;

static _Noreturn void die(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  fputs("sender: ", stderr);
  vfprintf(stderr, format, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void pause_for(double seconds) {
  if (seconds <= 0) return;
  struct timespec time = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
  nanosleep(&time, NULL);
}

static void hang_up(Connection *it) {
  if (it->ssl) SSL_free(it->ssl);
  if (it->socket >= 0) close(it->socket);
  it->ssl = NULL;
  it->socket = -1;
}

static bool dial(Connection *it) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
  inet_pton(AF_INET, host, &address.sin_addr);
  it->socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  int on = 1;
  setsockopt(it->socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (connect(it->socket, (struct sockaddr *)&address, sizeof address) != 0) return hang_up(it), false;
  if (!tls) return true;
  it->ssl = SSL_new(tls);
  X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(it->ssl), host);
  SSL_set_fd(it->ssl, it->socket);
  if (SSL_connect(it->ssl) == 1) return true;
  if (SSL_get_verify_result(it->ssl) != X509_V_OK)
    die("the server's certificate: %s", X509_verify_cert_error_string(SSL_get_verify_result(it->ssl)));
  return hang_up(it), false;
}

static bool put(Connection *it, const uint8_t *bytes, size_t count) {
  while (count > 0) {
    size_t piece = count < 1 << 20 ? count : 1 << 20;
    long sent = it->ssl ? SSL_write(it->ssl, bytes, (int)piece) : send(it->socket, bytes, piece, MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes += sent;
    count -= (size_t)sent;
  }
  return true;
}

static long take(Connection *it, char *into, size_t most) {
  return it->ssl ? SSL_read(it->ssl, into, (int)most) : recv(it->socket, into, most, 0);
}

// The status of the next answer, 0 when the connection broke; the answer's first bytes of text go to `text`.
static int answer(Connection *it, char *text, size_t textSize) {
  char head[HEAD_MAX + 1];
  size_t have = 0;
  char *end = NULL;
  while (!end) {
    if (have == HEAD_MAX) die("the head of an answer is over %d bytes", HEAD_MAX);
    long got = take(it, head + have, HEAD_MAX - have);
    if (got <= 0) return 0;
    have += (size_t)got;
    head[have] = 0;
    end = strstr(head, "\r\n\r\n");
  }
  int status = 0;
  if (sscanf(head, "HTTP/1.%*d %d", &status) != 1) die("no HTTP answer: %.80s", head);
  char *body = end + 4;
  size_t length = 0, inHead = have - (size_t)(body - head);
  bool isLast = strcasestr(head, "\r\nconnection: close") && strcasestr(head, "\r\nconnection: close") < end;
  char *field = strcasestr(head, "\r\ncontent-length:");
  if (field && field < end) length = strtoul(field + 17, NULL, 10);
  snprintf(text, textSize, "%.*s", (int)(inHead < length ? inHead : length), body);
  size_t rest = length > inHead ? length - inHead : 0;
  while (rest > 0) {
    char skipped[4096];
    long got = take(it, skipped, rest < sizeof skipped ? rest : sizeof skipped);
    if (got <= 0) return 0;
    if (!text[0]) snprintf(text, textSize, "%.*s", (int)got, skipped);
    rest -= (size_t)got;
  }
  if (isLast || (status != 204 && !field)) hang_up(it);
  return status;
}

// One attempt, on a fresh connection when there is none: the status, 0 when the connection broke.
static int post(Connection *it, const uint8_t *body, size_t count, char *text, size_t textSize) {
  if (it->socket < 0 && !dial(it)) return 0;
  if (it->outSize < HEAD_MAX + count) {
    it->outSize = HEAD_MAX + count;
    it->out = realloc(it->out, it->outSize);
    if (!it->out) die("out of memory");
  }
  int size = snprintf(
      (char *)it->out, HEAD_MAX,
      "POST %s HTTP/1.1\r\nHost: %s:%d\r\nUser-Agent: sender\r\nContent-Type: application/x-protobuf\r\n"
      "Content-Encoding: snappy\r\nX-Prometheus-Remote-Write-Version: 0.1.0\r\nContent-Length: %zu\r\n%s%s%s\r\n",
      path, host, port, count, token ? "Authorization: Bearer " : "", token ? token : "", token ? "\r\n" : "");
  memcpy(it->out + size, body, count);
  int status = put(it, it->out, (size_t)size + count) ? answer(it, text, textSize) : 0;
  if (status == 0) hang_up(it);
  return status;
}

static void deliver(Connection *it, const uint8_t *body, uint32_t count, uint32_t samples) {
  char text[sizeof it->refusal - 16] = "";
  for (int broken = 0, asked = 0;;) {
    int status = post(it, body, count, text, sizeof text);
    if (status / 100 == 2) {
      it->samples += samples;
      it->bytes += count;
      it->requests++;
      return;
    }
    if (status == 0) {
      if (++broken > RECONNECTS_MAX) die("the connection to port %d breaks again and again", port);
    } else if ((status == 429 || status == 503) && ++asked <= RETRIES_MAX) {
      it->retried++;
    } else {
      if (it->refused++ == 0) snprintf(it->refusal, sizeof it->refusal, "%d %s", status, text);
      return;
    }
    pause_for(0.1);
  }
}

static uint32_t word(const uint8_t *at) {
  uint32_t value;
  memcpy(&value, at, sizeof value);
  return value;
}

static void *run(void *argument) {
  Connection *it = argument;
  for (size_t at = 0; at < fileSize;) {
    if (fileSize - at < RECORD_HEAD) die("the file ends within a record");
    uint32_t count = word(file + at), samples = word(file + at + 4), lane = word(file + at + 8);
    uint64_t due;
    memcpy(&due, file + at + 12, sizeof due);
    const uint8_t *body = file + at + RECORD_HEAD;
    if (fileSize - at - RECORD_HEAD < count) die("the file ends within a record");
    at += RECORD_HEAD + count;
    if ((int)(lane % (uint32_t)connections) != it->index) continue;
    if (isPaced) {
      double left = (double)due / 1e3 - now();
      pause_for(left);
      if (-left > it->latest) it->latest = -left;
    }
    deliver(it, body, count, samples);
  }
  hang_up(it);
  return NULL;
}

static void print_text(const char *text) {
  putchar('"');
  for (; *text; text++) {
    unsigned char byte = (unsigned char)*text;
    if (byte == '"' || byte == '\\') putchar('\\');
    putchar(byte < ' ' || byte > '~' ? ' ' : byte);
  }
  putchar('"');
}

static double cpu_seconds(void) {
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  return (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
         (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static void report(const Connection *all, double seconds) {
  Connection sum = {.latest = 0};
  for (int number = 0; number < connections; number++) {
    sum.samples += all[number].samples;
    sum.requests += all[number].requests;
    sum.bytes += all[number].bytes;
    sum.refused += all[number].refused;
    sum.retried += all[number].retried;
    if (all[number].latest > sum.latest) sum.latest = all[number].latest;
    if (!sum.refusal[0]) memcpy(sum.refusal, all[number].refusal, sizeof sum.refusal);
  }
  printf("{\"seconds\":%.3f,\"cpu\":%.3f,\"samples\":%lu,\"requests\":%lu,\"bytes\":%lu,\"refused\":%lu,"
         "\"retried\":%lu,\"latest\":%.3f,\"refusal\":",
         seconds, cpu_seconds(), sum.samples, sum.requests, sum.bytes, sum.refused, sum.retried, sum.latest);
  print_text(sum.refusal);
  puts("}");
}

int main(int count, char **words) {
  if (count < 6 || count > 7) die("FILE PORT PATH CONNECTIONS now|due [AUTHORITY.pem]");
  port = atoi(words[2]);
  path = words[3];
  connections = atoi(words[4]);
  isPaced = strcmp(words[5], "due") == 0;
  token = getenv("SENDER_TOKEN");
  if (connections < 1 || connections > CONNECTIONS_MAX) die("1 to %d connections", CONNECTIONS_MAX);
  if (count == 7) {
    tls = SSL_CTX_new(TLS_client_method());
    SSL_CTX_set_verify(tls, SSL_VERIFY_PEER, NULL);
    if (SSL_CTX_load_verify_locations(tls, words[6], NULL) != 1) die("%s is no authority", words[6]);
  }
  int descriptor = open(words[1], O_RDONLY | O_CLOEXEC);
  struct stat status;
  if (descriptor < 0 || fstat(descriptor, &status) != 0 || status.st_size == 0) die("%s cannot be read", words[1]);
  fileSize = (size_t)status.st_size;
  file = mmap(NULL, fileSize, PROT_READ, MAP_PRIVATE, descriptor, 0);
  if (file == MAP_FAILED) die("%s cannot be mapped", words[1]);
  static Connection all[CONNECTIONS_MAX];
  pthread_t threads[CONNECTIONS_MAX];
  double begun = now();
  for (int number = 0; number < connections; number++) {
    all[number] = (Connection){.index = number, .socket = -1};
    if (pthread_create(&threads[number], NULL, run, &all[number]) != 0) die("no thread");
  }
  for (int number = 0; number < connections; number++) pthread_join(threads[number], NULL);
  report(all, now() - begun);
  return 0;
}
