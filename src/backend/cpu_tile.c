/* SPDX-License-Identifier: Apache-2.0 */
/* cpu_tile.c - one tile of rows: loaded, screened, refined in blocks (cpu_refine.c), told and added to statistics. Knows
 * kernels and the plan; knows no thread, no source, no ISA. */
#include "cpu_tile.h"

#include "cpu_dense.h"
#include "cpu_rank.h"
#include "cpu_refine.h"
#include "cpu_sums.h"

#include <math.h> /* exp2, log2, isfinite, NAN */

static const double ln_2 = 0.6931471805599453;

/* The score tile should stay in a core's L2 cache beside the packed panels. Rows of scores stand a line further
 * apart than they are long: powers of two would meet in few sets of the cache. */
enum { SCORE_TILE_BYTES = 256 * 1024, SCORE_PAD = 16 };

/* Candidates of a block, beside room for all of one row's. */
enum { BLOCK_CANDIDATES = 4096 };

/* Sums of powers lie in 1 .. 2^31: so many of them multiply without overflow, and need one logarithm. */
enum { LOG_ROWS = 16 };

fgi_cpu_job fgi_cpu_job_of(const fgi_kernels *kernels, const fgi_cpu_plan *plan,
                           const fgi_row_request *rows)
{
    return (fgi_cpu_job){
        .kernels = kernels,
        .plan = plan,
        .rows = *rows,
        .cut = FGI_CPU_CUT + log2((double)plan->k),
        .dropped = exp2(-FGI_CPU_CUT) / plan->k,
    };
}

static int32_t tile_rows_for(const fgi_screen *screen, int32_t ld_scores)
{
    const int32_t group = screen->row_group;
    int64_t rows = SCORE_TILE_BYTES / ((int64_t)sizeof(float) * ld_scores);
    if (rows > screen->most_rows) rows = screen->most_rows;
    return rows < group ? group : (int32_t)(rows / group * group);
}

static fg_status block_create(fgi_ledger *ledger, int32_t lanes, int32_t rows, fgi_cpu_block *b)
{
    b->capacity = lanes + BLOCK_CANDIDATES;
    const int64_t places = (int64_t)b->capacity + FGI_SELECT_SLACK;
    FG_TRY(fgi_alloc(ledger, (int64_t)rows + 1, sizeof(int32_t), &b->begin));
    FG_TRY(fgi_alloc(ledger, rows, sizeof(double), &b->most));
    FG_TRY(fgi_alloc(ledger, rows, sizeof(float), &b->sum));
    FG_TRY(fgi_alloc(ledger, rows, sizeof(int32_t), &b->nearest));
    FG_TRY(fgi_alloc(ledger, rows, sizeof(int32_t), &b->complete));
    FG_TRY(fgi_alloc(ledger, rows, sizeof(int32_t), &b->left_out));
    FG_TRY(fgi_alloc(ledger, places, sizeof(int32_t), &b->row));
    FG_TRY(fgi_alloc(ledger, places, sizeof(int32_t), &b->component));
    FG_TRY(fgi_alloc(ledger, places, sizeof(float), &b->distance));
    FG_TRY(fgi_alloc(ledger, places, sizeof(float), &b->share));
    FG_TRY(fgi_alloc(ledger, places, sizeof(double), &b->value));
    return fgi_alloc(ledger, lanes, sizeof(int32_t), &b->order);
}

static void block_destroy(fgi_cpu_block *b)
{
    fgi_free(b->begin);
    fgi_free(b->most);
    fgi_free(b->sum);
    fgi_free(b->nearest);
    fgi_free(b->complete);
    fgi_free(b->left_out);
    fgi_free(b->row);
    fgi_free(b->component);
    fgi_free(b->distance);
    fgi_free(b->share);
    fgi_free(b->value);
    fgi_free(b->order);
}

fg_status fgi_cpu_scratch_create(fgi_ledger *ledger, const fgi_cpu_plan *plan, fgi_cpu_scratch *out)
{
    const fgi_screen *screen = plan->screen;
    fgi_cpu_scratch s = {0};
    s.lanes = plan->panels * screen->panel;
    s.ld_scores = s.lanes + SCORE_PAD;
    s.ldx = (plan->depth + 15) / 16 * 16;
    s.tile_rows = tile_rows_for(screen, s.ld_scores);
    const int64_t rows = s.tile_rows;
    fg_status status = fgi_alloc_zero(ledger, rows * s.ldx, sizeof(float), &s.x);
    if (status == FG_OK) status = fgi_alloc(ledger, rows, sizeof(float), &s.norm2);
    if (status == FG_OK && plan->kind == FGI_DIAGONAL)
        status = fgi_alloc(ledger, rows, sizeof(float), &s.level);
    if (status == FG_OK && screen->prepare)
        status = fgi_alloc(ledger, rows / screen->row_group, screen->group_bytes(plan->depth),
                           &s.prepared);
    if (status == FG_OK) status = fgi_alloc(ledger, rows * s.ld_scores, sizeof(float), &s.scores);
    if (status == FG_OK) status = fgi_alloc(ledger, rows, sizeof(float), &s.row_max);
    if (status == FG_OK) status = fgi_alloc(ledger, rows, sizeof(int32_t), &s.open.row);
    if (status == FG_OK) status = fgi_alloc(ledger, rows, sizeof(float), &s.open.threshold);
    if (status == FG_OK) status = block_create(ledger, s.lanes, s.tile_rows, &s.block);
    if (status == FG_OK) status = fgi_cpu_labels_create(ledger, s.tile_rows, &s.labels);
    if (status == FG_OK && plan->kind != FGI_HARD)
        status = fgi_cpu_sorted_create(ledger, plan->k, plan->d, s.block.capacity, &s.sorted);
    if (status == FG_OK) status = fgi_cpu_dense_sums_create(ledger, plan, &s.dense);
    if (status != FG_OK)
        fgi_cpu_scratch_destroy(&s);
    else
        *out = s;
    return status;
}

void fgi_cpu_scratch_destroy(fgi_cpu_scratch *s)
{
    fgi_free(s->x);
    fgi_free(s->norm2);
    fgi_free(s->level);
    fgi_free(s->prepared);
    fgi_free(s->scores);
    fgi_free(s->row_max);
    fgi_free(s->open.row);
    fgi_free(s->open.threshold);
    block_destroy(&s->block);
    fgi_cpu_labels_destroy(&s->labels);
    fgi_cpu_sorted_destroy(&s->sorted);
    fgi_cpu_dense_sums_destroy(&s->dense);
    *s = (fgi_cpu_scratch){0};
}

/* ------------------------------------------------------------------------------------ load, screen */

void fgi_cpu_load(const fgi_cpu_job *job, const fg_view *rows, const fgi_cpu_loaded *to)
{
    const fgi_cpu_plan *plan = job->plan;
    const fgi_load_args load = {
        .rows = rows->data,
        .stride = rows->row_stride ? rows->row_stride : rows->cols,
        .count = (int32_t)rows->rows,
        .d = plan->d,
        .center = plan->center,
        .normalize = plan->normalize,
        .x = to->x,
        .ldx = to->ldx,
        .norm2 = to->norm2,
    };
    job->kernels->load[rows->dtype](&load);
}

static void load_tile(const fgi_cpu_job *job, fgi_cpu_scratch *s, const fg_view *rows)
{
    fgi_cpu_load(job, rows, &(fgi_cpu_loaded){.x = s->x, .norm2 = s->norm2, .ldx = s->ldx});
}

static void add_squares(const fgi_cpu_job *job, fgi_cpu_scratch *s, int32_t rows)
{
    const fgi_cpu_squares *squares = &job->plan->squares;
    job->kernels->squares(&(fgi_squares_args){
        .x = s->x,
        .ldx = s->ldx,
        .rows = rows,
        .d = job->plan->d,
        .origin = squares->origin,
        .unit = squares->unit,
        .scale = squares->scale,
        .level = s->level,
    });
}

static void screen_tile(const fgi_cpu_job *job, fgi_cpu_scratch *s, int32_t rows)
{
    const fgi_cpu_plan *plan = job->plan;
    const fgi_screen *screen = plan->screen;
    for (int32_t r = 0; r < rows; r++) s->row_max[r] = -INFINITY;
    if (plan->kind == FGI_DIAGONAL) add_squares(job, s, rows);
    if (screen->prepare) screen->prepare(s->x, s->ldx, rows, plan->depth, s->prepared);
    const fgi_scores_args scores = {
        .x = screen->prepare ? s->prepared : s->x,
        .ldx = s->ldx,
        .rows = rows,
        .depth = plan->depth,
        .norm2 = plan->kind == FGI_DIAGONAL ? s->level : s->norm2,
        .packed = plan->packed,
        .bias = plan->bias,
        .slope = plan->slope,
        .panels = plan->panels,
        .scores = s->scores,
        .ld_scores = s->ld_scores,
        .row_max = s->row_max,
    };
    screen->scores(&scores);
}

/* -------------------------------------------------------------------------------------------- tell */

/* Where a tile's results go. */
typedef struct outcome {
    int64_t first, place; /* of its first row: the number, and where in results */
    fgi_stats *stats;     /* or NULL */
    const fgi_row_results *results;
} outcome;

static void tell_components(const fgi_cpu_job *job, const fgi_cpu_block *b, int32_t i,
                            int32_t *components, float *values)
{
    const fgi_row_request *want = &job->rows;
    const bool hard = job->plan->kind == FGI_HARD;
    const int32_t begin = b->begin[i], count = b->begin[i + 1] - begin;
    const int32_t top = want->top < count ? want->top : count;
    for (int32_t c = 0; c < count; c++) b->order[c] = c;
    fgi_cpu_rank(b->order, count, top, b->value + begin, b->component + begin);
    int32_t told = 0;
    for (; told < top; told++) {
        const int32_t c = begin + b->order[told];
        if (!hard && told > 0 && !(b->share[c] >= want->tau)) break;
        components[told] = b->component[c];
        if (values) values[told] = hard ? b->distance[c] : b->share[c];
    }
    for (; told < want->top; told++) {
        components[told] = -1;
        if (values) values[told] = 0.0f;
    }
}

static void tell_row(const fgi_cpu_job *job, const fgi_cpu_block *b, int32_t i, int64_t place,
                     const fgi_row_results *results)
{
    const int32_t top = job->rows.top;
    if (top)
        tell_components(job, b, i, results->components + place * top,
                        results->values ? results->values + place * top : NULL);
    if (job->rows.log_density)
        results->log_density[place] =
            job->plan->kind == FGI_HARD ? b->most[i] : ln_2 * (b->most[i] + log2(b->sum[i]));
}

/* A row with NaN or infinity: counted, told as such, and otherwise left out. */
static void pass_over(const fgi_cpu_job *job, int32_t row, const outcome *to)
{
    if (to->stats) {
        to->stats->rows_skipped++;
        if (to->stats->first_bad_row < 0) to->stats->first_bad_row = to->first + row;
    }
    const int32_t top = job->rows.top;
    for (int64_t i = (to->place + row) * top; i < (to->place + row + 1) * top; i++) {
        to->results->components[i] = -1;
        if (to->results->values) to->results->values[i] = 0.0f;
    }
    if (job->rows.log_density) to->results->log_density[to->place + row] = NAN;
}

/* -------------------------------------------------------------------------------------- accumulate */

/* What rows of mixtures add to statistics besides their shares. */
typedef struct totals {
    int64_t rows;
    double most, product; /* log2 of the rows' densities: most + log2(product) */
    double lacking;       /* components left out, each row's divided by its sum */
    int32_t factors;
} totals;

static void settle(totals *t)
{
    t->most += log2(t->product);
    t->product = 1.0;
    t->factors = 0;
}

static void add_row(const fgi_cpu_block *b, int32_t i, totals *t)
{
    t->rows++;
    t->most += b->most[i];
    t->product *= b->sum[i];
    if (++t->factors == LOG_ROWS) settle(t);
}

/* Complete rows, in a loop without calls for each: so sums stay in registers. */
static void add_rows(const fgi_cpu_block *b, int32_t count, totals *t)
{
    for (int32_t n = 0; n < count; n++) {
        add_row(b, b->complete[n], t);
        t->lacking += b->left_out[n] / (double)b->sum[b->complete[n]];
    }
}

/* Of candidates left out, each has less than 2^-cut of the best one's share. */
static void add_totals(const fgi_cpu_job *job, totals *t, fgi_stats *stats)
{
    settle(t);
    stats->rows += t->rows;
    stats->objective += ln_2 * t->most;
    stats->dropped += t->lacking * job->dropped;
}

static void add_block(const fgi_cpu_job *job, fgi_cpu_scratch *s, fgi_stats *stats)
{
    const fgi_cpu_block *b = &s->block;
    const fgi_cpu_shares shares = {
        .pairs = {.count = b->count, .row = b->row, .component = b->component},
        .share = b->share,
        .distance = b->distance,
        .x = s->x,
        .ldx = s->ldx,
        .sorted = &s->sorted,
    };
    fgi_cpu_add_shares(job, &shares, stats);
}

/* A row that wants more candidates: for now it adds nothing. */
static void put_back(fgi_cpu_scratch *s, int32_t at, int32_t i, int32_t place)
{
    fgi_cpu_block *b = &s->block;
    for (int32_t c = b->begin[i]; c < b->begin[i + 1]; c++) b->share[c] = 0.0f;
    s->open.row[place] = s->open.row[at + i];
    s->open.threshold[place] = s->open.threshold[at + i];
}

/* Tells the rows of a block that are complete, and adds or labels them; the others go back to the open rows, of which `kept`
 * come before. Gives their new number back. */
static int32_t finish_block(const fgi_cpu_job *job, fgi_cpu_scratch *s, int32_t at, int32_t kept,
                            const outcome *to)
{
    const fgi_cpu_block *b = &s->block;
    const bool hard = job->plan->kind == FGI_HARD, tells = fgi_asks_rows(&job->rows);
    int32_t complete = 0;
    for (int32_t i = 0; i < b->rows; i++) {
        const int32_t row = s->open.row[at + i];
        if (!fgi_cpu_is_complete(job, s, at, i)) {
            put_back(s, at, i, kept++);
            continue;
        }
        if (tells) tell_row(job, b, i, to->place + row, to->results);
        if (hard) {
            const int32_t best = b->nearest[i];
            fgi_cpu_label(&s->labels, row, b->component[best], b->distance[best], b->most[i]);
            continue;
        }
        const bool all = s->open.threshold[at + i] == -INFINITY;
        b->complete[complete] = i;
        b->left_out[complete++] = all ? 0 : job->plan->k - (b->begin[i + 1] - b->begin[i]);
    }
    if (to->stats && !hard) {
        totals t = {.product = 1.0};
        add_rows(b, complete, &t);
        add_totals(job, &t, to->stats);
        add_block(job, s, to->stats);
    }
    return kept;
}

/* All rows of a tile but bad ones. */
static void open_rows(fgi_cpu_scratch *s, int32_t rows)
{
    s->open.count = 0;
    for (int32_t r = 0; r < rows; r++)
        if (isfinite(s->norm2[r])) s->open.row[s->open.count++] = r;
}

static void pass_over_bad_rows(const fgi_cpu_job *job, const fgi_cpu_scratch *s, int32_t rows,
                               const outcome *to)
{
    for (int32_t r = 0; s->open.count < rows && r < rows; r++)
        if (!isfinite(s->norm2[r])) pass_over(job, r, to);
}

static void absorb_sparse(const fgi_cpu_job *job, fgi_cpu_scratch *s, int32_t rows,
                          const outcome *to)
{
    const bool hard = job->plan->kind == FGI_HARD;
    if (hard) fgi_cpu_labels_clear(&s->labels, rows);
    if (job->plan->k > 1) screen_tile(job, s, rows);
    if (job->plan->k > 1 && to->stats) to->stats->screened += (int64_t)rows * s->lanes;
    fgi_cpu_first_thresholds(job, s);
    while (s->open.count > 0) {
        int32_t kept = 0;
        for (int32_t at = 0; at < s->open.count; at += s->block.rows) {
            fgi_cpu_refine(job, s, at);
            kept = finish_block(job, s, at, kept, to);
        }
        s->open.count = kept;
    }
    /* not block by block: which rows are put back depends on the screen, and must not show in the sums */
    if (hard && to->stats) fgi_cpu_add_labels(job, &s->labels, rows, s->x, s->ldx, to->stats);
}

static bool absorb_dense(const fgi_cpu_job *job, fgi_cpu_scratch *s, const outcome *to)
{
    if (!fgi_cpu_dense_tile(job, s)) return false;
    totals t = {.product = 1.0};
    for (int32_t i = 0; i < s->open.count; i++) {
        tell_row(job, &s->block, i, to->place + s->open.row[i], to->results);
        add_row(&s->block, i, &t);
    }
    if (to->stats) {
        to->stats->survivors += t.rows * job->plan->k;
        add_totals(job, &t, to->stats);
    }
    return true;
}

static fg_view rows_from(const fg_view *rows, int64_t first, int64_t most)
{
    const int64_t stride = rows->row_stride ? rows->row_stride : rows->cols;
    fg_view some = *rows;
    some.data =
        (const char *)rows->data + first * stride * (int64_t)fg_dtype_bytes((fg_dtype)rows->dtype);
    some.rows = rows->rows - first < most ? rows->rows - first : most;
    return some;
}

/* Whether these rows are to be taken with all components, asked of the first of them. */
static bool is_dense(const fgi_cpu_job *job, fgi_cpu_scratch *s, const fg_view *rows)
{
    if (!job->plan->dense_panels || job->rows.top) return false;
    const int32_t most = s->tile_rows < FGI_CPU_PROBE_ROWS ? s->tile_rows : FGI_CPU_PROBE_ROWS;
    const fg_view probe = rows_from(rows, 0, most);
    load_tile(job, s, &probe);
    open_rows(s, (int32_t)probe.rows);
    screen_tile(job, s, (int32_t)probe.rows);
    fgi_cpu_first_thresholds(job, s);
    return fgi_cpu_dense_suits(job, s);
}

void fgi_cpu_tile_absorb(const fgi_cpu_job *job, fgi_cpu_scratch *scratch, const fg_view *rows,
                         int64_t first, fgi_stats *stats, const fgi_row_results *results)
{
    const bool dense = is_dense(job, scratch, rows);
    outcome to = {.first = first, .stats = stats, .results = results};
    for (; to.place < rows->rows; to.place += scratch->tile_rows, to.first += scratch->tile_rows) {
        const fg_view tile = rows_from(rows, to.place, scratch->tile_rows);
        const int32_t count = (int32_t)tile.rows;
        load_tile(job, scratch, &tile);
        open_rows(scratch, count);
        pass_over_bad_rows(job, scratch, count, &to);
        if (!dense || !absorb_dense(job, scratch, &to)) absorb_sparse(job, scratch, count, &to);
    }
    if (stats) fgi_cpu_dense_flush(job, scratch, stats);
}
