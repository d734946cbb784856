/* SPDX-License-Identifier: Apache-2.0 */
/* test_container.c - the layout of our own files: round trips, and every kind of damage. */
#include "scratch.h"

#include "checksum.h"
#include "container.h"
#include "fault.h"

static const char magic[8] = "TESTFILE";

enum {
    BIG_BYTES = 1000,
    SMALL_BYTES = 3,
    TABLE_OFFSET = 64 + 1024 + 64,
    FILE_BYTES = TABLE_OFFSET + 3 * 32
};

/* Three sections: 1000 bytes, 3 bytes, none. */
static fg_status write_sample(const char *path)
{
    unsigned char big[BIG_BYTES];
    for (int i = 0; i < BIG_BYTES; i++) big[i] = (unsigned char)(i * 31);
    fgi_container_writer *w;
    FG_TRY(fgi_container_create(path, magic, 2, &w));
    fg_status s = fgi_container_begin(w, "BIG ");
    if (s == FG_OK) s = fgi_container_write(w, big, 600);
    if (s == FG_OK) s = fgi_container_write(w, big + 600, BIG_BYTES - 600);
    if (s == FG_OK) s = fgi_container_begin(w, "TINY");
    if (s == FG_OK) s = fgi_container_write(w, "abc", SMALL_BYTES);
    if (s == FG_OK) s = fgi_container_begin(w, "NONE");
    if (s == FG_OK) s = fgi_container_commit(w);
    fgi_container_abandon(w);
    return s;
}

/* Opens and gets every section, checksums included. */
static fg_status read_sample(const char *path)
{
    fgi_container c;
    const void *data;
    FG_TRY(fgi_container_open(path, magic, 2, &c));
    fg_status s = fgi_container_get(&c, "BIG ", BIG_BYTES, true, &data, NULL);
    if (s == FG_OK) s = fgi_container_get(&c, "TINY", SMALL_BYTES, true, &data, NULL);
    if (s == FG_OK) s = fgi_container_get(&c, "NONE", 0, true, &data, NULL);
    fgi_container_close(&c);
    return s;
}

static void sections_come_back(void **state)
{
    (void)state;
    const char *path = scratch_path("good");
    expect_ok(write_sample(path));
    fgi_container c;
    expect_ok(fgi_container_open(path, magic, 5, &c));
    assert_int_equal(c.version, 2);
    assert_int_equal(c.count, 3);
    assert_true(fgi_container_has(&c, "TINY"));
    assert_false(fgi_container_has(&c, "tiny"));
    const void *data;
    int64_t bytes;
    expect_ok(fgi_container_get(&c, "BIG ", -1, true, &data, &bytes));
    assert_int_equal(bytes, BIG_BYTES);
    assert_int_equal((uintptr_t)data % 64, 0);
    for (int i = 0; i < BIG_BYTES; i++)
        assert_int_equal(((const unsigned char *)data)[i], (unsigned char)(i * 31));
    expect_ok(fgi_container_get(&c, "TINY", SMALL_BYTES, true, &data, NULL));
    assert_memory_equal(data, "abc", SMALL_BYTES);
    expect_ok(fgi_container_get(&c, "NONE", 0, true, &data, &bytes));
    assert_int_equal(bytes, 0);
    expect_failure(fgi_container_get(&c, "GONE", -1, false, &data, NULL), FG_FORMAT, path, "GONE",
                   NULL);
    expect_failure(fgi_container_get(&c, "TINY", 4, false, &data, NULL), FG_FORMAT, path,
                   "offset 1088", "3 bytes", "have 4", NULL);
    fgi_container_close(&c);
}

static void an_empty_container_is_whole(void **state)
{
    (void)state;
    const char *path = scratch_path("empty");
    fgi_container_writer *w;
    expect_ok(fgi_container_create(path, magic, 1, &w));
    expect_ok(fgi_container_commit(w));
    fgi_container_abandon(w);
    fgi_container c;
    expect_ok(fgi_container_open(path, magic, 1, &c));
    assert_int_equal(c.count, 0);
    fgi_container_close(&c);
}

static void newer_and_foreign_files_are_refused(void **state)
{
    (void)state;
    const char *path = scratch_path("good");
    expect_ok(write_sample(path));
    fgi_container c;
    expect_failure(fgi_container_open(path, magic, 1, &c), FG_VERSION, path, "offset 8",
                   "version is 2", "up to 1", NULL);
    expect_failure(fgi_container_open(path, "OTHERONE", 2, &c), FG_FORMAT, path, "offset 0",
                   "OTHERONE", NULL);
    expect_failure(fgi_container_open(scratch_path("missing"), magic, 2, &c), FG_IO, "missing",
                   NULL);
}

static void every_damaged_byte_is_noticed(void **state)
{
    (void)state;
    size_t bytes;
    expect_ok(write_sample(scratch_path("good")));
    unsigned char *data = scratch_read(scratch_path("good"), &bytes);
    assert_int_equal(bytes, FILE_BYTES);
    for (size_t i = 0; i < bytes; i++) {
        data[i] ^= 0x10;
        const char *path = scratch_write("damaged", data, bytes);
        const fg_status s = read_sample(path);
        if (s != FG_FORMAT && s != FG_VERSION) fail_msg("byte %zu: status %d", i, (int)s);
        assert_non_null(strstr(fg_last_error(), path));
        data[i] ^= 0x10;
    }
    free(data);
}

static void every_cut_and_every_tail_is_noticed(void **state)
{
    (void)state;
    size_t bytes;
    expect_ok(write_sample(scratch_path("good")));
    unsigned char *data = scratch_read(scratch_path("good"), &bytes);
    for (size_t length = 0; length < bytes; length++)
        expect_failure(read_sample(scratch_write("cut", data, length)), FG_FORMAT, "cut", "offset",
                       NULL);
    data = realloc(data, bytes + 1);
    data[bytes] = 0;
    expect_failure(read_sample(scratch_write("longer", data, bytes + 1)), FG_FORMAT, "offset 16",
                   "1248", "1249", NULL);
    free(data);
}

static void set_u64(unsigned char *at, uint64_t value)
{
    memcpy(at, &value, sizeof value);
}

/* Makes the checksum of header and table right again, as someone would who means harm. */
static void seal(unsigned char *data)
{
    uint32_t sections;
    uint64_t table;
    memcpy(&sections, data + 24, sizeof sections);
    memcpy(&table, data + 32, sizeof table);
    fgi_checksum sum;
    fgi_checksum_begin(&sum);
    fgi_checksum_add(&sum, data, 40);
    fgi_checksum_add(&sum, data + table, 32 * (size_t)sections);
    set_u64(data + 40, fgi_checksum_end(&sum));
}

static void sealed_lies_are_noticed(void **state)
{
    (void)state;
    static const struct {
        const char *message;
        int32_t offset; /* of a u64 to be changed */
        uint64_t value;
    } lies[] = {
        {"a section's offset is 0", TABLE_OFFSET + 8, 0}, /* in the header */
        {"a section's offset is 65", TABLE_OFFSET + 8, 65},
        {"a section's size", TABLE_OFFSET + 16, UINT64_MAX},
        {"a section's size", TABLE_OFFSET + 16, UINT64_MAX - 63}, /* offset + size is 0 */
        {"a section's size is 1089", TABLE_OFFSET + 16, 1089},    /* reaches into the table */
        {"a section's offset is 64", TABLE_OFFSET + 40, 64},      /* two at one place */
        {"a section's offset is 1088", TABLE_OFFSET + 16, 64},    /* a gap after it */
        {"a section's offset is 1088", TABLE_OFFSET + 16, 1025},  /* reaches into the next */
        {"a byte between sections", TABLE_OFFSET + 16, 998},      /* the gap is not zero */
        {"a reserved number is 1", TABLE_OFFSET + 4, (uint64_t)64 << 32 | 1},
        {"a section's offset", TABLE_OFFSET + 40, (uint64_t)1 << 63},
        {"a section's size is 1", TABLE_OFFSET + 80, 1}, /* the last, where the table begins */
    };
    size_t bytes;
    expect_ok(write_sample(scratch_path("good")));
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        unsigned char *data = scratch_read(scratch_path("good"), &bytes);
        set_u64(data + lies[i].offset, lies[i].value);
        seal(data);
        expect_failure(read_sample(scratch_write("lie", data, bytes)), FG_FORMAT, "offset",
                       lies[i].message, NULL);
        free(data);
    }
}

static void sealed_tags_must_differ(void **state)
{
    (void)state;
    size_t bytes;
    expect_ok(write_sample(scratch_path("good")));
    unsigned char *data = scratch_read(scratch_path("good"), &bytes);
    memcpy(data + TABLE_OFFSET + 64, "BIG ", 4);
    seal(data);
    expect_failure(read_sample(scratch_write("twice", data, bytes)), FG_FORMAT, "tag of section 2",
                   "that of 0", NULL);
    data[24] = 17;
    expect_failure(read_sample(scratch_write("many", data, bytes)), FG_FORMAT, "offset 24", "17",
                   "at most 16", NULL);
    free(data);
}

/* Whatever write or block fails: a status, no leak (asan), no temporary left, the old file
 * untouched. */
static void a_failed_save_leaves_the_old_file(void **state)
{
    (void)state;
    scratch_clear();
    const char *path = scratch_write("kept", "old", 3);
    int64_t n = 1;
    for (bool happened = true; happened; n++) {
        fgi_fault_arm(FGI_FAULT_ALLOC | FGI_FAULT_WRITE, n);
        const fg_status s = write_sample(path);
        happened = fgi_fault_happened();
        fgi_fault_arm(0, 0);
        size_t bytes;
        unsigned char *data = scratch_read(path, &bytes);
        assert_int_equal(bytes, happened ? 3 : FILE_BYTES);
        free(data);
        if (happened && s != FG_MEMORY && s != FG_IO)
            fail_msg("fault %d: status %d", (int)n, (int)s);
    }
    expect_ok(read_sample(path));
    assert_true(n > 6);
    assert_int_equal(scratch_clear(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sections_come_back),
        cmocka_unit_test(an_empty_container_is_whole),
        cmocka_unit_test(newer_and_foreign_files_are_refused),
        cmocka_unit_test(every_damaged_byte_is_noticed),
        cmocka_unit_test(every_cut_and_every_tail_is_noticed),
        cmocka_unit_test(sealed_lies_are_noticed),
        cmocka_unit_test(sealed_tags_must_differ),
        cmocka_unit_test(a_failed_save_leaves_the_old_file),
    };
    return cmocka_run_group_tests(tests, scratch_begin, scratch_end);
}
