#include "tests/unit/sync/model.hpp"

using namespace m365stage;
using test::drive_model;
using test::staged_drive;

namespace {

class mutator {
public:
    mutator(drive_model& m, std::mt19937& r) : m_(m), random_(r) {}

    void change() {
        switch (random_() % 8) {
            case 0:
            case 1:
                m_.add(random_() % 2 == 0, folder(), free_name(folder()));
                break;
            case 2:
                with_item([this](const std::string& id) { m_.edit(id); });
                break;
            case 3:
            case 4:
                with_item([this](const std::string& id) { move(id); });
                break;
            case 5:
                swap();
                break;
            case 6:
                with_item([this](const std::string& id) { replace(id); });
                break;
            default:
                with_item([this](const std::string& id) {
                    if (random_() % 3 == 0) {
                        m_.remove(id);
                    }
                });
                break;
        }
    }

    /// No two of one name in a folder, as the service has it.
    void make_unique() {
        std::set<std::pair<std::string, std::string>> seen;
        for (auto& [id, n] : m_.items) {
            while (!seen.emplace(n.parent, n.name).second) {
                n.name += "x";
                m_.changed.insert(id);
            }
        }
    }

private:
    template <class Fn>
    void with_item(Fn fn) {
        if (!m_.items.empty()) {
            auto at = m_.items.begin();
            std::advance(at, static_cast<std::ptrdiff_t>(random_() % m_.items.size()));
            fn(std::string(at->first));
        }
    }

    std::string folder() {
        std::vector<std::string> all{"root"};
        for (const auto& [id, n] : m_.items) {
            if (n.folder) {
                all.push_back(id);
            }
        }
        return all[random_() % all.size()];
    }

    std::string free_name(const std::string&) {
        return std::string(1, static_cast<char>('a' + random_() % 6));
    }

    void move(const std::string& id) {
        const auto target = folder();
        if (target == "root" || !m_.is_inside(id, target)) {
            m_.move(id, target, free_name(target));
        }
    }

    void swap() {
        with_item([this](const std::string& a) {
            with_item([this, &a](const std::string& b) {
                const auto na = m_.items.at(a);
                const auto nb = m_.items.at(b);
                const bool crossing = m_.is_inside(a, b) || m_.is_inside(b, a);
                if (!crossing) {
                    m_.move(a, nb.parent, nb.name);
                    m_.move(b, na.parent, na.name);
                } else if (a != b && nb.folder && m_.is_inside(a, b)) {
                    // The inner one comes out, the outer one goes into it.
                    m_.move(b, na.parent, na.name);
                    m_.move(a, b, nb.name);
                }
            });
        });
    }

    void replace(const std::string& id) {
        const auto n = m_.items.at(id);
        m_.remove(id);
        m_.add(!n.folder, n.parent, n.name);
    }

    drive_model& m_;
    std::mt19937& random_;
};

void run(unsigned seed, bool crashes, std::size_t batch) {
    CAPTURE(seed);
    CAPTURE(crashes);
    CAPTURE(batch);
    staged_drive s;
    s.random.seed(seed);
    s.crashes = crashes;
    s.batch = batch;
    drive_model m;
    mutator mutate(m, s.random);
    for (int i = 0; i < 25; ++i) {
        mutate.change();
    }
    mutate.make_unique();
    s.full(m);
    s.apply(m);
    for (int round = 0; round < 6; ++round) {
        CAPTURE(round);
        const auto changes = 1 + s.random() % 15;
        for (unsigned i = 0; i < changes; ++i) {
            mutate.change();
        }
        mutate.make_unique();
        const bool again = s.random() % 5 == 0;
        if (again) {
            s.full(m);
        } else {
            s.incremental(m);
        }
        if (s.random() % 4 == 0) {
            continue;  // the next round comes before anything was applied
        }
        s.apply(m);
        REQUIRE(s.tree() == m.tree(staged_drive::key));
        REQUIRE(s.problems() == "");
        REQUIRE(s.pending() == 0);
        REQUIRE(s.parked() == 0);
        REQUIRE(s.container().live_items == static_cast<std::int64_t>(m.items.size()));
    }
}

}  // namespace

TEST_SUITE("sync") {
    TEST_CASE("settle: random changes of random trees arrive in the tree") {
        for (unsigned seed = 1; seed <= 60; ++seed) {
            run(seed, false, 2000);
        }
    }

    TEST_CASE("settle: random changes arrive in small batches that are cut off and resumed") {
        for (unsigned seed = 100; seed < 160; ++seed) {
            run(seed, true, 1 + seed % 7);
        }
    }

}  // TEST_SUITE
