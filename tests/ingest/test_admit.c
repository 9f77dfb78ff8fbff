#include "ingest/admit.h"

#include <criterion/criterion.h>
#include <zlib.h>
#include <zstd.h>

#include "tests/ingest/wire.h"
#include "tests/support/record.h"

/* The batch only keeps the pointer: any address will do. */
static int who[2];
#define CONN(i) ((struct conn *)(void *)&who[i])

static const int64_t now_ms = 1764000000000;
#define NOW_S (now_ms / 1000)

static struct batch batch;
static struct admit_counts counts;
static struct peer peer = {.uid = 1000};
static struct inflater *inflater;

static void
setup(void)
{
    batch_init(&batch);
    counts = (struct admit_counts){0};
    inflater = inflater_new();
}

static void
teardown(void)
{
    inflater_free(inflater);
    batch_clear(&batch);
}

TestSuite(ingest_admit, .init = setup, .fini = teardown);

static const char *
admit(struct wire *w, int conn, uint32_t *ret_owed)
{
    struct admit_from from = {CONN(conn), &peer, now_ms, inflater, NULL};
    const char *reason = admit_message(wire_bytes(w), &from, &batch, &counts, ret_owed);
    wire_clear(w);
    wire_init(w);
    return reason;
}

static struct quarantined
nth_quarantined(int n)
{
    struct mp m = mp_of((struct bytes){batch.quarantined.data, batch.quarantined.size_bytes});
    struct quarantined q = {0};
    for (int i = 0; i <= n; i++)
        cr_assert(quarantine_read(&m, &q));
    return q;
}

Test(ingest_admit, a_good_event_is_stored_with_its_peer_and_owed_an_ack)
{
    struct wire w;
    uint32_t owed;
    wire_init(&w);
    wire_message(&w, "gbill.usage", NOW_S, "ev1", "chunk-1");
    cr_assert_null(admit(&w, 0, &owed));
    cr_expect_eq(owed, 1);
    cr_expect_eq(counts.events, 1);
    cr_expect_eq(batch.receive_utc_ms, now_ms);
    struct mp m = mp_of((struct bytes){batch.events.data, batch.events.size_bytes});
    struct event e;
    struct event_defect defect;
    cr_assert(event_read(&m, &e, &defect), "%s", defect.text);
    cr_expect(str_is(e.id, "ev1"));
    cr_expect_eq(e.peer_uid, 1000);
    cr_expect_eq(e.time_utc_ms, now_ms);
    wire_ack(&w, "chunk-1");
    cr_expect_eq(batch.acks.size_bytes, wire_bytes(&w).size_bytes);
    cr_expect_eq(memcmp(batch.acks.data, wire_bytes(&w).data, batch.acks.size_bytes), 0);
    wire_clear(&w);
}

Test(ingest_admit, what_breaks_the_contract_is_quarantined_with_its_reason_and_acked)
{
    struct wire w;
    uint32_t owed;
    wire_init(&w);
    wire_message(&w, "gbill.usage", NOW_S, NULL, "c1");
    cr_assert_null(admit(&w, 0, &owed));
    wire_message(&w, "gbill.nonsense", NOW_S, "b", "c2");
    cr_assert_null(admit(&w, 0, &owed));
    wire_message(&w, "usage.llm", NOW_S, "c", "c3");
    cr_assert_null(admit(&w, 0, &owed));
    wire_message(&w, "gbill.usage", 0, "d", "c4");
    cr_assert_null(admit(&w, 0, &owed));
    wire_message(&w, "gbill.usage", NOW_S + 301, "e", "c5");
    cr_assert_null(admit(&w, 0, &owed));
    cr_expect_eq(counts.quarantined, 5);
    cr_expect_eq(batch.quarantined_count, 5);
    cr_expect_eq(batch.event_count, 0);
    cr_expect_not_null(strstr(nth_quarantined(0).reason.data, "id is missing"));
    cr_expect(str_is(nth_quarantined(1).reason, "unknown tag"));
    cr_expect(str_is(nth_quarantined(1).tag, "gbill.nonsense"));
    cr_expect(str_is(nth_quarantined(2).reason, "unknown tag"));
    cr_expect_not_null(strstr(nth_quarantined(3).reason.data, "too old"));
    cr_expect_not_null(strstr(nth_quarantined(4).reason.data, "in the future"));
    cr_expect_eq(nth_quarantined(0).peer_uid, 1000);
    wire_ack(&w, "c1");
    wire_ack(&w, "c2");
    wire_ack(&w, "c3");
    wire_ack(&w, "c4");
    wire_ack(&w, "c5");
    cr_expect_eq(batch.acks.size_bytes, wire_bytes(&w).size_bytes);
    cr_expect_eq(memcmp(batch.acks.data, wire_bytes(&w).data, batch.acks.size_bytes), 0);
    wire_clear(&w);
}

Test(ingest_admit, a_message_broken_at_its_last_entry_leaves_the_batch_as_it_was)
{
    struct wire w;
    uint32_t owed;
    wire_init(&w);
    wire_message(&w, "gbill.usage", NOW_S, "ev1", "c1");
    cr_assert_null(admit(&w, 0, &owed));
    size_t events = batch.events.size_bytes, all = batch_bytes(&batch);
    msgpack_pack_array(&w.pk, 3);
    wire_text(&w, "gbill.usage");
    msgpack_pack_array(&w.pk, 3);
    for (int i = 0; i < 2; i++) {
        msgpack_pack_array(&w.pk, 2);
        msgpack_pack_int64(&w.pk, NOW_S);
        wire_record(&w, i == 0 ? "ev2" : NULL);
    }
    msgpack_pack_int(&w.pk, 5);
    wire_option(&w, "c2");
    cr_assert_not_null(admit(&w, 0, &owed));
    cr_expect_eq(owed, 0);
    cr_expect_eq(batch.events.size_bytes, events);
    cr_expect_eq(batch_bytes(&batch), all);
    cr_expect_eq(batch.event_count, 1);
    cr_expect_eq(batch.quarantined_count, 0);
    cr_expect_eq(counts.events, 1);
    cr_expect_eq(counts.quarantined, 0);
    wire_clear(&w);
}

Test(ingest_admit, acks_in_a_row_to_one_connection_have_one_receiver)
{
    struct wire w;
    uint32_t owed, sum = 0;
    static const int to[] = {0, 0, 0, 1, 0};
    wire_init(&w);
    for (size_t i = 0; i < 5; i++) {
        wire_message(&w, "gbill.usage", NOW_S, "ev", "chunk");
        cr_assert_null(admit(&w, to[i], &owed));
        sum += owed;
    }
    cr_expect_eq(sum, 3);
    cr_assert_eq(batch_receiver_count(&batch), 3);
    const struct batch_receiver *r = batch_receivers(&batch);
    cr_expect(r[0].conn == CONN(0) && r[1].conn == CONN(1) && r[2].conn == CONN(0));
    cr_expect_eq(r[0].size_bytes, 3 * r[1].size_bytes);
    cr_expect_eq(r[0].size_bytes + r[1].size_bytes + r[2].size_bytes, batch.acks.size_bytes);
    batch_reset(&batch);
    cr_expect(batch_is_empty(&batch));
    wire_clear(&w);
}

Test(ingest_admit, an_empty_chunk_is_owed_an_ack_and_a_heartbeat_nothing)
{
    struct wire w;
    uint32_t owed;
    wire_init(&w);
    msgpack_pack_nil(&w.pk);
    cr_assert_null(admit(&w, 0, &owed));
    cr_expect(owed == 0 && batch_is_empty(&batch));
    cr_expect_eq(counts.heartbeats, 1);
    wire_packed(&w, NOW_S, "x", 0, "c");
    cr_assert_null(admit(&w, 0, &owed));
    cr_expect(owed == 1 && !batch_is_empty(&batch));
    cr_expect(batch.event_count == 0 && batch.quarantined_count == 0);
    wire_clear(&w);
}

Test(ingest_admit, undeclared_fields_are_counted_and_left_out)
{
    struct wire w;
    uint32_t owed;
    wire_init(&w);
    msgpack_pack_array(&w.pk, 3);
    wire_text(&w, "gbill.feedback");
    msgpack_pack_int64(&w.pk, NOW_S);
    msgpack_pack_map(&w.pk, 6);
    wire_text_pair(&w, "id", "f1");
    wire_text_pair(&w, "prompt", "secret words");
    wire_text_pair(&w, "organizationId", "org");
    wire_text_pair(&w, "recommendation", "r1");
    wire_text_pair(&w, "completion", "more secret words");
    wire_text_pair(&w, "status", "applied");
    cr_assert_null(admit(&w, 0, &owed));
    cr_expect_eq(counts.events, 1);
    cr_expect_eq(counts.undeclared, 2);
    cr_expect_null(memmem(batch.events.data, batch.events.size_bytes, "secret", 6));
    wire_clear(&w);
}

Test(ingest_admit, tiny_invalid_entries_cannot_blow_the_batch_up)
{
    enum { BYTES = 8 * 1024 * 1024 - 64 };
    struct wire w;
    uint32_t owed;
    uint8_t *entries = malloc(BYTES);
    for (size_t i = 0; i < BYTES; i++)
        entries[i] = (const uint8_t[]){0x92, 0x00, 0x80}[i % 3];
    wire_init(&w);
    msgpack_pack_array(&w.pk, 2);
    wire_text(&w, "t");
    msgpack_pack_bin(&w.pk, BYTES - BYTES % 3);
    msgpack_pack_bin_body(&w.pk, entries, BYTES - BYTES % 3);
    const char *reason = admit(&w, 0, &owed);
    cr_assert_not_null(reason);
    cr_expect_not_null(strstr(reason, "32 MiB"));
    cr_expect(batch_is_empty(&batch));
    cr_expect_leq(batch.quarantined.room_bytes, 8 * 1024 * 1024, "it stays large for good");
    free(entries);
    wire_clear(&w);
}

/* wire_packed() with its entries compressed; "gzip" as two members, as a buffering sender appends. */
static void
pack_compressed(struct wire *w, const char *how, int count, const char *chunk)
{
    static uint8_t out[1 << 20];
    struct wire in;
    size_t n = 0;
    wire_init(&in);
    for (int i = 0; i < count; i++) {
        char id[64];
        snprintf(id, sizeof id, "%s-%d", how, i);
        msgpack_pack_array(&in.pk, 2);
        msgpack_pack_int64(&in.pk, NOW_S);
        wire_record(&in, id);
    }
    size_t half = in.buf.size / 2, parts[] = {half, in.buf.size - half};
    for (size_t i = 0, at = 0; i < 2; at += parts[i++]) {
        if (strcmp(how, "zstd") == 0) {
            n += ZSTD_compress(out + n, sizeof out - n, in.buf.data + at, parts[i], 1);
            continue;
        }
        z_stream z = {.next_in = (Bytef *)in.buf.data + at, .avail_in = (uInt)parts[i]};
        cr_assert_eq(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
        z.next_out = out + n;
        z.avail_out = (uInt)(sizeof out - n);
        cr_assert_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
        n = sizeof out - z.avail_out;
        deflateEnd(&z);
    }
    msgpack_pack_array(&w->pk, 3);
    wire_text(w, "gbill.usage");
    msgpack_pack_bin(&w->pk, n);
    msgpack_pack_bin_body(&w->pk, out, n);
    msgpack_pack_map(&w->pk, 2);
    wire_text_pair(w, "chunk", chunk);
    wire_text_pair(w, "compressed", how);
    wire_clear(&in);
}

Test(ingest_admit, compressed_entries_are_stored_as_if_they_had_come_plain)
{
    static const char *const how[] = {"gzip", "zstd"};
    struct wire w;
    uint32_t owed;
    wire_init(&w);
    for (int i = 0; i < 2; i++) {
        struct buf plain;
        batch_reset(&batch);
        wire_packed(&w, NOW_S, how[i], 100, "c");
        cr_assert_null(admit(&w, 0, &owed));
        buf_init(&plain, 1 << 20);
        cr_assert(buf_append(&plain, batch.events.data, batch.events.size_bytes));
        batch_reset(&batch);
        pack_compressed(&w, how[i], 100, "c");
        const char *reason = admit(&w, 0, &owed);
        cr_assert_null(reason, "%s: %s", how[i], reason);
        cr_expect(owed == 1 && batch.event_count == 100);
        cr_assert_eq(batch.events.size_bytes, plain.size_bytes, "%s", how[i]);
        cr_expect_eq(memcmp(batch.events.data, plain.data, plain.size_bytes), 0, "%s", how[i]);
        buf_clear(&plain);
    }
    wire_clear(&w);
}

Test(ingest_admit, a_torn_or_mislabelled_compressed_chunk_is_void_as_a_whole)
{
    struct wire w;
    uint32_t owed;
    wire_init(&w);
    wire_message(&w, "gbill.usage", NOW_S, "ev1", "c1");
    cr_assert_null(admit(&w, 0, &owed));
    size_t all = batch_bytes(&batch);
    pack_compressed(&w, "gzip", 50, "c2");
    /* Before the option stands the stream's end: the checksum of its last member. */
    w.buf.data[w.buf.size - strlen(".chunk.c2.compressed.gzip..") - 1] ^= 1;
    const char *reason = admit(&w, 0, &owed);
    cr_assert_not_null(reason, "a damaged gzip member is taken");
    cr_expect_not_null(strstr(reason, "damaged"), "%s", reason);
    cr_expect_eq(owed, 0);
    cr_expect_eq(batch_bytes(&batch), all);
    cr_expect_eq(batch.event_count, 1);
    wire_packed(&w, NOW_S, "p", 3, "c3");
    msgpack_sbuffer plain = w.buf;
    wire_init(&w);
    msgpack_pack_array(&w.pk, 3);
    wire_text(&w, "gbill.usage");
    msgpack_pack_bin(&w.pk, plain.size);
    msgpack_pack_bin_body(&w.pk, plain.data, plain.size);
    msgpack_pack_map(&w.pk, 1);
    wire_text_pair(&w, "compressed", "gzip");
    reason = admit(&w, 0, &owed);
    cr_assert_not_null(reason);
    cr_expect_not_null(strstr(reason, "no gzip"), "%s", reason);
    msgpack_sbuffer_destroy(&plain);
    wire_clear(&w);
}

/* The bytes of a top-level field of a map. */
static struct bytes
field_of(struct bytes record, const char *name)
{
    struct mp m = mp_of(record);
    struct mp_value head, key;
    cr_assert(mp_read(&m, &head));
    for (uint32_t i = 0; i < head.count; i++) {
        cr_assert(mp_read(&m, &key));
        const uint8_t *start = m.p;
        cr_assert(mp_skip(&m));
        if (str_is(mp_str(&key), name))
            return (struct bytes){start, (size_t)(m.p - start)};
    }
    cr_assert_fail("no field %s", name);
    return (struct bytes){NULL, 0};
}

/* Shapes as the providers' own libraries declare them. */
Test(ingest_admit, a_providers_usage_object_is_stored_to_the_byte)
{
    static const struct {
        const char *what, *provider, *usage;
    } rows[] = {
        {"OpenAI chat", "openai",
         "{'prompt_tokens':2006,'completion_tokens':300,'total_tokens':2306,"
         "'prompt_tokens_details':{'cached_tokens':1920,'cache_write_tokens':0,'audio_tokens':0,"
         "'image_tokens':0,'text_tokens':2006},'completion_tokens_details':{'reasoning_tokens':128,"
         "'audio_tokens':0,'accepted_prediction_tokens':7,'rejected_prediction_tokens':3,"
         "'text_tokens':300}}"},
        {"OpenAI responses", "openai",
         "{'input_tokens':75,'input_tokens_details':{'cached_tokens':32,'cache_write_tokens':16},"
         "'output_tokens':1186,'output_tokens_details':{'reasoning_tokens':1024},"
         "'total_tokens':1261}"},
        {"OpenAI embeddings", "openai", "{'prompt_tokens':8,'total_tokens':8}"},
        {"OpenAI realtime", "openai",
         "{'total_tokens':253,'input_tokens':132,'output_tokens':121,'input_token_details':"
         "{'text_tokens':119,'audio_tokens':13,'image_tokens':0,'cached_tokens':64,"
         "'cached_tokens_details':{'text_tokens':64,'audio_tokens':0,'image_tokens':0}},"
         "'output_token_details':{'text_tokens':30,'audio_tokens':91}}"},
        {"Anthropic messages", "anthropic",
         "{'input_tokens':2095,'cache_creation_input_tokens':356,'cache_read_input_tokens':5000,"
         "'cache_creation':{'ephemeral_5m_input_tokens':156,'ephemeral_1h_input_tokens':200},"
         "'output_tokens':503,'output_tokens_details':{'thinking_tokens':100},"
         "'server_tool_use':{'web_search_requests':2,'web_fetch_requests':1},"
         "'service_tier':'standard','inference_geo':'us'}"},
        {"Anthropic stream, message_start merged with the last message_delta", "anthropic",
         "{'input_tokens':472,'cache_creation_input_tokens':0,'cache_read_input_tokens':0,"
         "'cache_creation':{'ephemeral_5m_input_tokens':0,'ephemeral_1h_input_tokens':0},"
         "'output_tokens':89,'service_tier':'priority','server_tool_use':{'web_search_requests':0}}"},
        {"with fields nobody knows yet, nulls and an order of its own", "openai",
         "{'zz_new':{'deep':[1,2.5,null]},'total_tokens':12,'completion_tokens':4,"
         "'prompt_tokens':8,'prompt_tokens_details':null}"},
        {"large counts, which msgpack-lite sends as float64", "anthropic",
         "{'input_tokens':10,'cache_read_input_tokens':4294967296.0,'output_tokens':1}"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char json[2048];
        struct wire w;
        uint32_t owed;
        batch_reset(&batch);
        snprintf(json, sizeof json,
                 "{'usage':%s,'id':'ev','organizationId':'o','userId':'u','type':'chat',"
                 "'provider':'%s','model':'m','prompt':'not to be kept'}",
                 rows[i].usage, rows[i].provider);
        struct buf record = record_of_json(json);
        wire_init(&w);
        msgpack_pack_array(&w.pk, 3);
        wire_text(&w, "gbill.usage");
        msgpack_pack_int64(&w.pk, NOW_S);
        msgpack_sbuffer_write(&w.buf, (const char *)record.data, record.size_bytes);
        cr_assert_null(admit(&w, 0, &owed));
        if (batch.quarantined_count > 0)
            cr_assert_fail("%s: %.*s", rows[i].what, STR_ARG(nth_quarantined(0).reason));
        struct mp m = mp_of((struct bytes){batch.events.data, batch.events.size_bytes});
        struct event e;
        struct event_defect defect;
        cr_assert(event_read(&m, &e, &defect), "%s: %s", rows[i].what, defect.text);
        struct bytes sent = field_of(bytes_of_buf(&record), "usage");
        struct bytes kept = field_of(e.record, "usage");
        cr_assert_eq(kept.size_bytes, sent.size_bytes, "%s", rows[i].what);
        cr_expect_eq(memcmp(kept.data, sent.data, sent.size_bytes), 0, "%s", rows[i].what);
        wire_clear(&w);
        buf_clear(&record);
    }
}
