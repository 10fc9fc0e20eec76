#include "restore/journal.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

namespace m365stage::restore {
namespace {

constexpr const char* schema = R"sql(
CREATE TABLE IF NOT EXISTS info (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS object (
  path    TEXT PRIMARY KEY,   -- below the tree; rights of it: with a line break and a number
  kind    TEXT NOT NULL,
  state   INTEGER NOT NULL,   -- restore::outcome
  mark    TEXT NOT NULL,
  target  TEXT NOT NULL,
  parent  TEXT NOT NULL,
  name    TEXT NOT NULL,
  id      TEXT NOT NULL,
  session TEXT NOT NULL,
  detail  TEXT NOT NULL,
  size    INTEGER NOT NULL,
  hash    TEXT NOT NULL,
  mtime   INTEGER NOT NULL,
  run     INTEGER NOT NULL,   -- the run it was last seen in
  compared INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS there (
  folder  TEXT NOT NULL,      -- remote id
  key     TEXT NOT NULL,
  id      TEXT NOT NULL,
  facts   TEXT NOT NULL,
  PRIMARY KEY (folder, key, id)
) STRICT, WITHOUT ROWID;
DELETE FROM there;
CREATE INDEX IF NOT EXISTS object_id ON object (id) WHERE id <> '';
CREATE INDEX IF NOT EXISTS object_parent ON object (run, target, parent) WHERE state IN (2, 3);
)sql";

entry entry_of(index::row r) {
    entry e;
    e.kind = r.text(0);
    e.state = static_cast<outcome>(r.integer(1));
    e.mark = r.text(2);
    e.target = r.text(3);
    e.parent = r.text(4);
    e.name = r.text(5);
    e.id = r.text(6);
    e.session = r.text(7);
    e.detail = r.text(8);
    e.size = r.integer(9);
    e.hash = r.text(10);
    e.mtime = r.integer(11);
    e.compared = r.integer(12) != 0;
    return e;
}

}  // namespace

core::result<std::unique_ptr<journal>> journal::open(const std::string& folder, const std::string& tag) {
    const auto path = folder + "/" + tag;
    std::error_code ec;
    const auto before = ::umask(077);
    std::filesystem::create_directories(path, ec);
    ::umask(before);
    if (ec) {
        core::error e(core::error_kind::disk, ec.message());
        e.operation = "make folder";
        e.object = path;
        e.hint = "the journal of a restore lies there; --state DIR names another place";
        return e;
    }
    std::unique_ptr<journal> out(new journal);
    auto root = tree::stage_root::open_copy(path);
    if (!root) {
        return root.error();
    }
    out->folder_ = std::move(*root);
    auto lock = out->folder_->lock();
    if (!lock) {
        core::error e = lock.error();
        if (e.kind == core::error_kind::busy) {
            e.hint = "the same restore is running already: wait for it to end";
        }
        return e;
    }
    out->lock_ = std::move(*lock);
    out->store_ = std::make_unique<index::store>(path + "/journal.db", index::database::mode::foreign);
    auto& db = out->store_->direct();
    db.script(schema);
    if (!db.number("SELECT 1 FROM pragma_table_info('object') WHERE name='compared'")) {
        db.script("ALTER TABLE object ADD COLUMN compared INTEGER NOT NULL DEFAULT 0");  // begun by 0.1.0
    }
    const auto last = out->info("run");
    out->run_ = last.empty() ? 1 : std::stoll(last) + 1;
    out->set_info("run", std::to_string(out->run_));
    return out;
}

std::string journal::info(const std::string& key) {
    return store_->direct().text("SELECT value FROM info WHERE key=?", key).value_or("");
}

void journal::set_info(const std::string& key, const std::string& value) {
    store_->direct().run(
        "INSERT INTO info VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value=excluded.value", key, value
    );
}

task<entry> journal::find(std::string path, std::string mark) {
    auto work = [path = std::move(path), mark = std::move(mark)](index::database& db) {
        entry out;
        db.query(
            "SELECT kind, state, mark, target, parent, name, id, session, detail, size, hash, mtime, "
            "compared "
            "FROM object WHERE path=? AND mark=?",
            [&](index::row r) { out = entry_of(r); }, path, mark
        );
        return out;
    };
    auto found = co_await store_->call(std::move(work));
    co_return found;
}

task<void> journal::put(std::string path, entry e) {
    auto work = [path = std::move(path), e = std::move(e), run = run_](index::database& db) {
        return db.run(
            "INSERT INTO object VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (path) DO "
            "UPDATE SET kind=excluded.kind, state=excluded.state, mark=excluded.mark, "
            "target=excluded.target, parent=excluded.parent, name=excluded.name, id=excluded.id, "
            "session=excluded.session, detail=excluded.detail, size=excluded.size, hash=excluded.hash, "
            "mtime=excluded.mtime, run=excluded.run, compared=excluded.compared",
            path, e.kind, e.state, e.mark, e.target, e.parent, e.name, e.id, e.session, e.detail, e.size,
            e.hash, e.mtime, run, e.compared
        );
    };
    co_await store_->call(std::move(work));
}

task<void> journal::forget(std::string path) {
    auto work = [path = std::move(path)](index::database& db) {
        return db.run("DELETE FROM object WHERE path=?", path);
    };
    co_await store_->call(std::move(work));
}

task<std::vector<std::pair<std::string, entry>>> journal::below(std::string prefix) {
    auto end = prefix;
    end.back() = static_cast<char>(end.back() + 1);
    auto work = [prefix = std::move(prefix), end = std::move(end)](index::database& db) {
        std::vector<std::pair<std::string, entry>> out;
        db.query(
            "SELECT kind, state, mark, target, parent, name, id, session, detail, size, hash, mtime, "
            "compared, path "
            "FROM object WHERE path>=? AND path<?",
            [&](index::row r) { out.emplace_back(r.text(13), entry_of(r)); }, prefix, end
        );
        return out;
    };
    auto found = co_await store_->call(std::move(work));
    co_return found;
}

task<std::vector<journal::written_folder>> journal::written_folders() {
    auto work = [run = run_](index::database& db) {
        std::vector<written_folder> out;
        db.query(
            "SELECT DISTINCT target, parent FROM object WHERE run=? AND state IN (2, 3) AND parent<>''",
            [&](index::row r) { out.emplace_back(r.text(0), r.text(1)); }, run
        );
        return out;
    };
    auto found = co_await store_->call(std::move(work));
    co_return found;
}

task<std::vector<std::pair<std::string, entry>>> journal::written_in(written_folder where) {
    auto work = [where = std::move(where), run = run_](index::database& db) {
        std::vector<std::pair<std::string, entry>> out;
        db.query(
            "SELECT kind, state, mark, target, parent, name, id, session, detail, size, hash, mtime, "
            "compared, path "
            "FROM object WHERE run=? AND state IN (2, 3) AND target=? AND parent=?",
            [&](index::row r) { out.emplace_back(r.text(13), entry_of(r)); }, run, where.target, where.parent
        );
        return out;
    };
    auto found = co_await store_->call(std::move(work));
    co_return found;
}

task<bool> journal::is_used(std::string id, std::string path) {
    auto work = [id = std::move(id), path = std::move(path)](index::database& db) {
        const auto other = db.number(
            "SELECT 1 FROM object WHERE id=? AND id<>'' AND path<>? AND state IN (1, 2, 3)", id, path
        );
        return other.has_value();
    };
    auto used = co_await store_->call(std::move(work));
    co_return used;
}

task<std::uint64_t> journal::bytes_written(std::string target) {
    auto work = [target = std::move(target)](index::database& db) {
        const auto sum = db.number("SELECT sum(size) FROM object WHERE target=? AND state=2", target);
        return static_cast<std::uint64_t>(sum.value_or(0));
    };
    auto bytes = co_await store_->call(std::move(work));
    co_return bytes;
}

task<void> journal::add_there(std::string folder, std::vector<there> found) {
    auto work = [folder = std::move(folder), found = std::move(found)](index::database& db) {
        index::database::transaction all(db);
        for (const auto& one : found) {
            db.run("INSERT OR REPLACE INTO there VALUES (?, ?, ?, ?)", folder, one.key, one.id, one.facts);
        }
        all.commit();
        return 0;
    };
    co_await store_->call(std::move(work));
}

task<std::vector<journal::there>> journal::find_there(std::string folder, std::string key) {
    auto work = [folder = std::move(folder), key = std::move(key)](index::database& db) {
        std::vector<there> out;
        db.query(
            "SELECT id, facts FROM there WHERE folder=? AND key=? ORDER BY id",
            [&](index::row r) {
                there one;
                one.key = key;
                one.id = r.text(0);
                one.facts = r.text(1);
                out.push_back(std::move(one));
            },
            folder, key
        );
        return out;
    };
    auto found = co_await store_->call(std::move(work));
    co_return found;
}

task<std::map<std::string, tally>> journal::tallies() {
    auto work = [run = run_](index::database& db) {
        std::map<std::string, tally> out;
        db.query(
            "SELECT kind, state, count(*) FROM object WHERE run=? GROUP BY kind, state",
            [&](index::row r) {
                auto& t = out[r.text(0)];
                const auto n = static_cast<std::uint64_t>(r.integer(2));
                switch (static_cast<outcome>(r.integer(1))) {
                    case outcome::done:
                        t.done += n;
                        break;
                    case outcome::present:
                        t.present += n;
                        break;
                    case outcome::skipped:
                        t.skipped += n;
                        break;
                    case outcome::failed:
                        t.failed += n;
                        break;
                    case outcome::open:
                    case outcome::intended:
                        t.open += n;
                        break;
                }
            },
            run
        );
        return out;
    };
    auto found = co_await store_->call(std::move(work));
    co_return found;
}

task<void> journal::each_left(std::function<void(const std::string& path, const entry& e)> take) {
    auto work = [run = run_, take = std::move(take)](index::database& db) {
        db.query(
            "SELECT kind, state, mark, target, parent, name, id, session, detail, size, hash, mtime, "
            "compared, path "
            "FROM object WHERE run=? AND state NOT IN (2, 3) ORDER BY path",
            [&](index::row r) { take(r.text(13), entry_of(r)); }, run
        );
        return 0;
    };
    co_await store_->call(std::move(work));
}

}  // namespace m365stage::restore
