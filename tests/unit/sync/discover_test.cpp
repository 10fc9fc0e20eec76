#include "sync/run/discover.hpp"

#include <deque>
#include <map>
#include <nlohmann/json.hpp>

#include "index/reports.hpp"
#include "sync/run/owner_list.hpp"
#include "tests/unit/sync/pass_fixture.hpp"

using namespace m365stage;
using core::error_kind;
using nlohmann::json;
using test::one_drive;

namespace {

/// A directory of groups: rounds of pages (a text instead of one: it answers 410), and each group by itself.
class directory final : public test::bare_graph {
public:
    std::deque<std::vector<json>> rounds;  ///< of pages; each is told once
    std::map<std::string, json> alone;     ///< by id; who is not in it is not there
    std::optional<core::error> refusal;    ///< of all who are asked for alone
    std::vector<std::string> asked;        ///< targets, in order

    graph::task<core::result<graph::page>> get_page(graph::call c) override {
        asked.push_back(c.target);
        const auto at = c.target.find("page=");
        const auto number = at == std::string::npos ? 0 : std::stoul(c.target.substr(at + 5));
        if (number == 0 && begun_) {
            rounds.pop_front();
        }
        begun_ = true;
        const auto& pages = rounds.front();
        if (pages[number].is_string()) {
            co_return core::error(error_kind::resync, "the cursor is gone");
        }
        graph::page p;
        p.value = std::make_unique<json>(pages[number]);
        const bool last = number + 1 == pages.size();
        (last ? p.delta_link : p.next_link) =
            last ? "https://graph/delta" : "https://graph/page=" + std::to_string(number + 1);
        co_return core::result<graph::page>(std::move(p));
    }

    graph::task<core::result<json>> get_json(graph::call c) override {
        asked.push_back(c.target);
        if (refusal) {
            auto e = *refusal;
            co_return std::move(e).on(c.object);
        }
        const auto from = c.target.rfind('/') + 1;
        const auto found = alone.find(c.target.substr(from, c.target.find('?') - from));
        if (found == alone.end()) {
            co_return core::error(error_kind::not_found, "no such group");
        }
        co_return core::result<json>(found->second);
    }

private:
    bool begun_ = false;
};

json group(const char* id) {
    return {{"id", id}, {"mailNickname", std::string("team-") + id}, {"groupTypes", {"Unified"}}};
}

json part(const char* id) {
    return {{"id", id}, {"members@delta", json::array({{{"id", "u-1"}}})}};
}

/// Passes over the groups alone.
struct groups {
    groups() {
        d.options.owner_kinds = {"group"};
        d.pass.sources.clear();
    }

    std::optional<core::error> pass() {
        ++d.pass.pass_id;
        service.asked.clear();
        std::optional<core::error> failure;
        test::run_coro(d.io, [&]() -> boost::asio::awaitable<void> {
            failure = co_await sync::discover(d.pass);
        });
        return failure;
    }

    /// Ids and names, in order.
    std::vector<std::string> known() {
        std::vector<std::string> out;
        d.store.direct().query("SELECT remote_id, name FROM owner ORDER BY remote_id", [&](index::row r) {
            out.push_back(r.text(0) + " " + r.text(1));
        });
        return out;
    }

    /// What is told of owners, with the reasons.
    std::vector<std::string> not_covered() {
        std::vector<std::string> out;
        for (const auto& u : index::not_covered(d.store.direct())) {
            out.push_back(u.owner + ": " + u.reason);
        }
        return out;
    }

    std::string cursor() { return index::setting(d.store.direct(), "delta:group").value_or(""); }

    directory service;
    one_drive d{service};
};

using names = std::vector<std::string>;

bool is_alone(const std::string& target) {
    return target.starts_with("/v1.0/groups/") && !target.starts_with("/v1.0/groups/delta");
}

}  // namespace

TEST_SUITE("sync") {
    // Contract Q106.
    TEST_CASE("discover: a group that comes again with nothing but members is the one that it was") {
        groups g;
        g.service.rounds.push_back({json::array({group("a"), part("a")}), json::array({part("a")})});
        g.service.rounds.push_back({json::array({part("a")})});
        CHECK_FALSE(g.pass());
        CHECK(g.known() == names{"a team-a"});
        CHECK(g.service.asked.size() == 2);  // told in whole already: nobody is asked for alone
        CHECK_FALSE(g.pass());
        CHECK(g.known() == names{"a team-a"});
        CHECK(g.service.asked.size() == 1);
    }

    TEST_CASE("discover: who is told only in part is asked for alone, and that counts") {
        groups g;
        auto security = group("s");
        security["groupTypes"] = json::array();
        auto renamed = group("a");
        renamed["mailNickname"] = "other";
        g.service.rounds.push_back({json::array({part("new"), group("a"), part("s")})});
        g.service.rounds.push_back({json::array({json{{"id", "a"}, {"mailNickname", "other"}}})});
        g.service.alone = {{"new", group("new")}, {"s", security}, {"a", renamed}};
        CHECK_FALSE(g.pass());
        CHECK(g.known() == names{"a team-a", "new team-new"});
        CHECK_FALSE(g.pass());
        CHECK(g.known() == names{"a other", "new team-new"});
        CHECK(g.service.asked.back() == "/v1.0/groups/a?$select=id,displayName,mailNickname,groupTypes");
    }

    TEST_CASE("discover: only what is removed or says so itself is gone") {
        groups g;
        auto security = group("b");
        security["groupTypes"] = json::array({"DynamicMembership"});
        auto marked = group("c");
        marked["@removed"] = nullptr;
        g.service.rounds.push_back({json::array({group("a"), group("b"), group("c"), group("d")})});
        g.service.rounds.push_back({json::array(
            {json{{"id", "a"}, {"@removed", {{"reason", "deleted"}}}}, security, marked, part("d")}
        )});
        g.service.rounds.push_back({json::array({json{{"id", "c"}, {"@removed", {}}}, group("c")})});
        CHECK_FALSE(g.pass());
        CHECK_FALSE(g.pass());
        CHECK(g.known() == names{"c team-c", "d team-d"});
        CHECK_FALSE(g.pass());
        CHECK(g.known() == names{"c team-c", "d team-d"});
    }

    TEST_CASE("discover: the end of a full round takes nobody who was told in part") {
        groups g;
        g.service.rounds.push_back({json::array({group("a"), group("b")})});
        g.service.rounds.push_back({json::array({part("a")})});
        CHECK_FALSE(g.pass());
        index::set_setting(g.d.store.direct(), "delta:group", "");
        CHECK_FALSE(g.pass());
        CHECK(g.known() == names{"a team-a"});  // it is not there any more, which the feed will tell
    }

    TEST_CASE("discover: who is told in part before a 410 and behind it is asked for, and stays") {
        groups g;
        g.service.rounds.push_back({json::array({group("a"), group("b")})});
        g.service.rounds.push_back({json::array({part("a")}), json("410")});
        g.service.rounds.push_back({json::array({group("b")}), json::array({part("a")})});
        g.service.alone = {{"a", group("a")}};
        CHECK_FALSE(g.pass());
        CHECK_FALSE(g.pass());
        CHECK(g.known() == names{"a team-a", "b team-b"});
        CHECK(g.service.asked.back() == "/v1.0/groups/a?$select=id,displayName,mailNickname,groupTypes");
    }

    TEST_CASE("discover: who was asked for before a 410 and said nothing is asked for again behind it") {
        groups g;
        g.service.rounds.push_back({json::array({group("b")})});
        g.service.rounds.push_back({json::array({part("new")}), json("410")});
        g.service.rounds.push_back({json::array({group("b"), part("new")})});
        CHECK_FALSE(g.pass());
        CHECK_FALSE(g.pass());
        CHECK(std::count_if(g.service.asked.begin(), g.service.asked.end(), is_alone) == 2);
    }

    TEST_CASE("discover: who was just made and is not known everywhere yet is asked for until they are") {
        groups g;
        g.service.rounds.push_back({json::array({group("a")})});
        g.service.rounds.push_back({json::array({part("new")})});
        g.service.rounds.push_back({json::array()});
        CHECK_FALSE(g.pass());
        CHECK_FALSE(g.pass());
        CHECK(g.service.asked.size() == 2);
        CHECK(g.cursor() == "https://graph/delta");
        CHECK(g.not_covered() == names{"group new: told in part, and not answered for: not_found"});
        CHECK(g.d.pass.counters.error_count == 0);
        g.service.rounds.push_back({json::array()});
        g.service.rounds.push_back({json::array()});
        CHECK_FALSE(g.pass());
        CHECK(g.service.asked.size() == 2);
        g.service.alone = {{"new", group("new")}};
        CHECK_FALSE(g.pass());
        CHECK(g.known() == names{"a team-a", "new team-new"});
        CHECK(g.not_covered().empty());
        CHECK_FALSE(g.pass());
        CHECK(g.service.asked.size() == 1);
    }

    TEST_CASE("discover: who is not there for a day, is told in whole or is removed is not asked for any more"
    ) {
        for (const std::string what : {"day", "whole", "removed"}) {
            groups g;
            g.service.rounds.push_back({json::array({group("a")})});
            g.service.rounds.push_back({json::array({json{{"id", "a"}, {"mailNickname", "x"}}, part("new")})}
            );
            const auto removed = json{{"id", "new"}, {"@removed", {{"reason", "deleted"}}}};
            g.service.rounds.push_back(
                {what == "day"     ? json::array()
                 : what == "whole" ? json::array({group("new"), group("a")})
                                   : json::array({removed, json{{"id", "a"}, {"@removed", json::object()}}})}
            );
            g.service.rounds.push_back({json::array()});
            CHECK_FALSE(g.pass());
            CHECK_FALSE(g.pass());
            CHECK(g.not_covered().size() == 2);
            if (what == "day") {
                g.d.store.direct().run("UPDATE not_covered SET since=since-90000");
            }
            CHECK_FALSE(g.pass());
            CHECK(g.service.asked.size() == (what == "day" ? 3 : 1));
            CHECK(g.not_covered().empty());
            CHECK_FALSE(g.pass());
            CHECK(g.service.asked.size() == 1);
            CHECK(g.known().size() == (what == "whole" ? 2 : what == "day" ? 1 : 0));
        }
    }

    TEST_CASE("discover: a failure to ask for one is a failure of the list, which is read again from there") {
        groups g;
        g.service.rounds.push_back({json::array({group("a")})});
        g.service.rounds.push_back({json::array({part("a"), part("b")})});
        g.service.rounds.push_back({json::array({part("b")})});
        CHECK_FALSE(g.pass());
        index::set_setting(g.d.store.direct(), "delta:group", "https://graph/old");
        g.service.refusal = core::error(error_kind::server, "no");
        const auto failure = g.pass();
        REQUIRE(failure);
        CHECK(failure->object == "group b");
        CHECK(g.service.asked.size() == 2);  // neither a full round nor a listing in its place
        CHECK(g.cursor() == "https://graph/old");
        CHECK(g.known() == names{"a team-a"});
        g.service.refusal.reset();
        g.service.alone["b"] = group("b");
        CHECK_FALSE(g.pass());
        CHECK(g.cursor() == "https://graph/delta");
        CHECK(g.known() == names{"a team-a", "b team-b"});
    }

    TEST_CASE("discover: who is refused for good stays what they were, and the list goes on") {
        for (const auto kind : {error_kind::bad_request, error_kind::unsupported, error_kind::forbidden}) {
            groups g;
            g.service.rounds.push_back({json::array({group("a")})});
            g.service.rounds.push_back(
                {json::array({json{{"id", "a"}, {"mailNickname", "renamed"}}, part("b")})}
            );
            CHECK_FALSE(g.pass());
            g.service.refusal = core::error(kind, "no");
            const auto errors = g.d.pass.counters.errors.size();
            CHECK_FALSE(g.pass());
            CHECK(g.cursor() == "https://graph/delta");
            CHECK(g.d.pass.counters.errors.size() == errors + 2);  // told all the same
            CHECK(g.known() == names{"a team-a"});
            CHECK(g.not_covered().size() == 2);
            g.service.rounds.push_back({json::array()});
            CHECK_FALSE(g.pass());
            CHECK(g.service.asked.size() == 3);
            CHECK(g.d.pass.counters.errors.size() == errors + 2);  // not told again
            g.service.refusal.reset();
            auto renamed = group("a");
            renamed["mailNickname"] = "renamed";
            g.service.alone = {{"a", renamed}, {"b", group("b")}};
            g.service.rounds.push_back({json::array()});
            CHECK_FALSE(g.pass());
            CHECK(g.known() == names{"a renamed", "b team-b"});
            CHECK(g.not_covered().empty());
        }
    }

    TEST_CASE("discover: a failure to ask again is told, and asked it is in the next pass") {
        groups g;
        g.service.rounds.push_back({json::array({part("new")})});
        g.service.rounds.push_back({json::array()});
        g.service.rounds.push_back({json::array()});
        CHECK_FALSE(g.pass());
        g.service.refusal = core::error(error_kind::server, "no");
        const auto failure = g.pass();
        REQUIRE(failure);
        CHECK(failure->object == "group new");
        g.service.refusal.reset();
        g.service.alone = {{"new", group("new")}};
        CHECK_FALSE(g.pass());
        CHECK(g.known() == names{"new team-new"});
    }

    TEST_CASE("discover: an answer about somebody else takes nobody away") {
        groups g;
        g.service.rounds.push_back({json::array({group("a")})});
        g.service.rounds.push_back({json::array({json{{"id", "a"}, {"groupTypes", {"Unified"}}}})});
        g.service.alone["a"] = json::object();
        CHECK_FALSE(g.pass());
        CHECK(g.pass()->kind == error_kind::protocol);
        CHECK(g.known() == names{"a team-a"});
    }

    TEST_CASE("owner list: users, whatever of them is told") {
        using sync::telling;
        const auto read = [](const char* element) {
            return sync::all_users().read(json::parse(element)).what;
        };
        CHECK(read(R"({"id":"1","userPrincipalName":"ann@x","userType":"Member"})") == telling::ours);
        CHECK(read(R"({"id":"1","userPrincipalName":"ann@x","userType":null})") == telling::ours);
        CHECK(read(R"({"id":"1","userPrincipalName":"ann@x"})") == telling::ours);
        CHECK(read(R"({"id":"1","userType":"Guest"})") == telling::foreign);
        CHECK(read(R"({"id":"1","displayName":"Ann"})") == telling::partial);
        CHECK(read(R"({"id":"1","userPrincipalName":null})") == telling::partial);
    }

    TEST_CASE("owner list: a site's name is the address as people read it") {
        const auto site = [](const char* url) {
            return sync::all_sites().read(json{{"id", "1"}, {"webUrl", url}}).who;
        };
        const auto s = site("https://contoso.sharepoint.com/sites/My%20Team/T%C3%A0i");
        CHECK(s.name == "contoso.sharepoint.com/sites/My Team/T\xC3\xA0i");
        CHECK(s.path == "sites/contoso.sharepoint.com/sites/My Team/T\xC3\xA0i");
        CHECK(site("https://contoso.sharepoint.com/sites/100%").name == "contoso.sharepoint.com/sites/100%");
        CHECK(site("https://contoso.sharepoint.com/").name == "contoso.sharepoint.com");
        CHECK(sync::all_sites().read(json{{"id", "1"}, {"webUrl", nullptr}}).what == sync::telling::partial);
    }
}
