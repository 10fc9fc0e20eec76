#include <doctest/doctest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "../../support/bare_graph.hpp"
#include "../../support/run_coro.hpp"
#include "sources/fields.hpp"
#include "sources/source.hpp"

using namespace m365stage;
using namespace m365stage::sources;
using nlohmann::json;

namespace {

/// Pages by a part of their address; a folder without any has no children.
class paged_graph final : public test::bare_graph {
public:
    struct given {
        given() = default;
        given(json v, std::string link) : value(std::move(v)), next(std::move(link)) {}
        json value = json::array();
        std::string next;
    };
    std::map<std::string, given> pages;

    graph::task<core::result<graph::page>> get_page(graph::call c) override {
        graph::page p;
        given found;
        for (const auto& [part, page] : pages) {
            found = c.target.find(part) == std::string::npos ? found : page;
        }
        p.value = std::make_unique<json>(found.value);
        p.next_link = found.next;
        co_return core::result<graph::page>(std::move(p));
    }

    /// The default folder.
    graph::task<core::result<json>> get_json(graph::call) override {
        co_return core::result<json>(
            json{{"id", "D"}, {"displayName", "Contacts"}, {"parentFolderId", "above"}}
        );
    }
};

json folder(const char* id) {
    return {{"id", id}, {"displayName", id}, {"parentFolderId", "above"}};
}

/// The ids that a page of the folder list has in the end.
core::result<std::vector<std::string>> listed(paged_graph& graph) {
    graph.pages.try_emplace("feed", json::array({folder("A"), folder("D")}), "");
    index::container c;
    c.kind = "contacts";
    c.owner_kind = "user";
    c.owner_id = "ann";
    index::stream s;
    s.cursor = "https://graph/feed";
    const auto all = make_sources({});
    core::result<std::vector<std::string>> out = core::error();
    test::run_coro([&]() -> boost::asio::awaitable<void> {
        for (const auto& one : all) {
            if (one->kind() != "contacts") {
                continue;
            }
            auto page = co_await one->read_page(graph, c, s, 0);
            if (!page) {
                out = page.error();
                continue;
            }
            std::vector<std::string> ids;
            for (const auto& e : *page->value) {
                const bool standard = text(e, "wellKnownName") == "contacts";
                ids.push_back(text(e, "id") + (standard ? " contacts" : ""));
            }
            out = std::move(ids);
        }
    });
    return out;
}

}  // namespace

TEST_SUITE("sources") {
    TEST_CASE("contacts: nested folders come from all pages of a list") {
        paged_graph graph;
        graph.pages["/A/childFolders"] = paged_graph::given(json::array({folder("B")}), "https://graph/more");
        graph.pages["graph/more"] = paged_graph::given(json::array({folder("C")}), "");
        const auto ids = listed(graph);
        REQUIRE(ids.has_value());
        // The default folder, which the feed tells of as well, is known as such.
        CHECK(*ids == std::vector<std::string>{"D contacts", "A", "B", "C"});
    }

    TEST_CASE("contacts: folders whose mark of removal is null are folders") {
        paged_graph graph;
        auto nested = folder("B");
        nested["@removed"] = nullptr;
        graph.pages["/A/childFolders"] = paged_graph::given(json::array({nested}), "");
        auto top = folder("A"), standard = folder("D");
        top["@removed"] = standard["@removed"] = nullptr;
        graph.pages["feed"] = paged_graph::given(json::array({top, standard}), "");
        const auto ids = listed(graph);
        REQUIRE(ids.has_value());
        CHECK(*ids == std::vector<std::string>{"D contacts", "A", "B"});
    }

    TEST_CASE("contacts: a list of nested folders that goes in a circle is an error, not a short list") {
        paged_graph graph;
        graph.pages["/A/childFolders"] = paged_graph::given(json::array({folder("B")}), "https://graph/more");
        graph.pages["graph/more"] = paged_graph::given(json::array({folder("C")}), "https://graph/more");
        const auto ids = listed(graph);
        REQUIRE_FALSE(ids.has_value());
        CHECK(ids.error().kind == core::error_kind::protocol);
    }
}
