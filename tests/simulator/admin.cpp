// The admin API under /_sim: JSON in, JSON out, no authentication. README.md describes it.
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string_view>
#include <utility>

#include "seed.hpp"

namespace m365stage::sim {

using nlohmann::json;

namespace {

seed_options options_in(const world& w, const json& b) {
    seed_options o = w.options;
    o.seed = b.value("seed", o.seed);
    o.users = b.value("users", o.users);
    o.sites = b.value("sites", o.sites);
    o.groups = b.value("groups", o.groups);
    o.files_per_drive = b.value("files_per_drive", o.files_per_drive);
    o.file_size_max = b.value("file_size_max", o.file_size_max);
    o.specials = b.value("specials", o.specials);
    o.shared_mailboxes = b.value("shared_mailboxes", o.shared_mailboxes);
    o.messages_per_mailbox = b.value("messages_per_mailbox", o.messages_per_mailbox);
    o.message_size = b.value("message_size", o.message_size);
    o.events_per_calendar = b.value("events_per_calendar", o.events_per_calendar);
    return o;
}

json tenant_json(world& w) {
    json drives = json::array();
    for (std::uint32_t n = 0; n < w.directory.drive_count(); ++n) {
        drive& d = w.directory.drive_at(n);
        if (!d.removed) {
            drives.push_back(
                {{"id", d.id},
                 {"name", d.name},
                 {"type", d.type},
                 {"owner_kind", d.owner_kind},
                 {"owner_id", d.owner_id},
                 {"web_url", d.web_url},
                 {"items", d.live_count()},
                 {"system", d.system},
                 {"locked", d.locked},
                 {"seq", d.seq()},
                 {"root", d.item_id(root_item)}}
            );
        }
    }
    json users = json::array();
    for (const auto& u : w.directory.users) {
        if (!u.removed) {
            json of = json::array();
            for (auto n : u.drives) {
                of.push_back(w.directory.drive_at(n).id);
            }
            users.push_back(
                {{"id", u.id}, {"upn", u.upn}, {"enabled", u.enabled}, {"type", u.user_type}, {"drives", of}}
            );
        }
    }
    json sites = json::array();
    for (const auto& s : w.directory.sites) {
        if (!s.removed) {
            sites.push_back(
                {{"id", s.id}, {"web_url", s.web_url}, {"personal", s.personal}, {"locked", s.locked}}
            );
        }
    }
    json groups = json::array();
    for (const auto& g : w.directory.groups) {
        if (!g.removed) {
            groups.push_back({{"id", g.id}, {"nickname", g.nickname}});
        }
    }
    return {
        {"items", w.directory.item_count()},
        {"drives", drives},
        {"users", users},
        {"sites", sites},
        {"groups", groups},
        {"invitations_sent", w.invitations_sent},
        {"invitations_silent", w.invitations_silent},
        {"now", w.now()}
    };
}

response admin_directory(world& w, const json& b) {
    tenant& t = w.directory;
    std::string op = b.value("op", "");
    rng r(b.value("seed", mix(++w.serial)));
    auto need = [](auto* p) {
        if (p == nullptr) {
            throw std::runtime_error("directory: there is none of that name");
        }
        return p;
    };
    if (op == "add_user") {
        user& u = add_seeded_user(w, b.at("name").get<std::string>(), r);
        return admin_answer({{"id", u.id}, {"upn", u.upn}, {"drive", t.drive_at(u.drives[0]).id}});
    }
    if (op == "add_site") {
        site& s = t.add_site("sites/" + b.at("name").get<std::string>(), b.at("name").get<std::string>());
        std::string id = s.id;
        drive& d = t.add_library(t.sites.size() - 1, b.value("library", "Documents"), "Shared Documents");
        return admin_answer({{"id", id}, {"drive", d.id}});
    }
    if (op == "add_group") {
        group& g = t.add_group(b.at("name").get<std::string>(), b.at("name").get<std::string>());
        return admin_answer(
            {{"id", g.id},
             {"drive", t.drive_at(t.sites[static_cast<std::size_t>(g.site_number)].drives[0]).id}}
        );
    }
    std::string name = b.value("name", "");
    if (op == "name_users") {
        for (const auto& [id, upn] : b.at("names").items()) {
            t.name_user(*need(t.find_user(id)), upn.get<std::string>());
        }
    } else if (op == "remove_user") {
        t.remove_user(*need(t.find_user(name)));
    } else if (op == "enable_user" || op == "disable_user") {
        user* u = need(t.find_user(name));
        u->enabled = op == "enable_user";
        u->seq = ++t.dir_seq;
    } else if (op == "remove_group") {
        t.remove_group(*need(t.find_group(name)));
    } else if (op == "remove_site" || op == "lock_site" || op == "unlock_site") {
        site* s = t.find_site(name);
        for (auto& one : t.sites) {
            s = s == nullptr && !one.removed && !one.personal && iequals(one.name, name) ? &one : s;
        }
        need(s);
        if (op == "remove_site") {
            t.remove_site(*s);
        } else {
            s->locked = op == "lock_site";
            for (auto n : s->drives) {
                t.drive_at(n).locked = s->locked;
            }
        }
    } else if (op == "remove_drive") {
        drive* d = need(drive_of(w, b));
        d->removed = true;
    } else {
        throw std::runtime_error("directory: there is no op '" + op + "'");
    }
    return admin_answer({{"done", op}});
}

response admin_auth(world& w, const json& b) {
    auth_service& a = w.auth;
    a.expires_in = b.value("expires_in", a.expires_in);
    a.refuse_code = b.value("refuse", a.refuse_code);
    if (b.contains("refuse")) {
        a.refuse_count = b.value("count", std::int64_t{-1});
    }
    a.cae_challenge = b.value("cae", a.cae_challenge);
    a.keep_expired = b.value("keep_expired", a.keep_expired);
    if (b.contains("roles")) {
        a.roles = b["roles"].get<std::vector<std::string>>();
    }
    if (b.value("expire_all", false)) {
        a.expire_all();
    }
    return admin_answer(
        {{"expires_in", a.expires_in}, {"refuse", a.refuse_code}, {"cae", a.cae_challenge}, {"roles", a.roles}
        }
    );
}

response admin_faults(world& w, const request& r, const std::vector<std::string>& s) {
    if (r.method == "DELETE") {
        if (s.size() > 2) {
            return admin_answer({{"removed", w.faults.remove(std::stoull(s[2]))}});
        }
        w.faults.clear();
        return admin_answer({{"removed", true}});
    }
    if (r.method == "GET") {
        if (!r.has_parameter("kinds")) {
            return admin_answer({{"faults", w.faults.list()}});
        }
        json kinds = json::array();
        for (const auto& k : fault_kinds()) {
            json p = json::object();
            for (const auto& one : k.parameters) {
                p[one.name] = one.meaning;
            }
            kinds.push_back({{"type", k.name}, {"meaning", k.meaning}, {"parameters", p}});
        }
        return admin_answer({{"kinds", kinds}});
    }
    json b = admin_body(r);
    if (b.contains("preset")) {
        std::string name = b["preset"].get<std::string>();
        if (!w.faults.add_preset(name, b.value("seed", std::uint64_t{1}))) {
            throw std::runtime_error("faults: presets are storm, throttled, odd_feed and flaky_network");
        }
        return admin_answer({{"preset", name}});
    }
    json ids = json::array();
    json list = b.contains("faults") ? b["faults"] : json::array({b});
    for (const auto& spec : list) {
        std::string error;
        auto id = w.faults.add(spec, error);
        if (id == 0) {
            throw std::runtime_error(error);
        }
        ids.push_back(id);
    }
    return admin_answer({{"ids", ids}});
}

response admin_expected(world& w, const request& r) {
    std::string path = w.content_path();
    std::string which = r.parameter("drive", "all");
    write_expected(w, which, r.parameter("hashes", "1") != "0", path);
    return admin_lines(path);
}

response admin_settings(world& w, const json& b) {
    w.download_url_lifetime = b.value("download_url_lifetime", w.download_url_lifetime);
    w.content_url_lifetime = b.value("content_url_lifetime", w.content_url_lifetime);
    w.range_needs_accept = b.value("range_needs_accept", w.range_needs_accept);
    w.ignore_ranges = b.value("ignore_ranges", w.ignore_ranges);
    w.file_etags = b.value("file_etags", w.file_etags);
    w.reject_authorization = b.value("reject_authorization", w.reject_authorization);
    w.page_size = b.value("page_size", w.page_size);
    w.page_size_max = b.value("page_size_max", w.page_size_max);
    w.manners.max_concurrency = b.value("max_concurrency", w.manners.max_concurrency);
    w.list_feed = b.value("list_feed", w.list_feed);
    if (b.contains("advance_clock")) {
        w.directory.clock_offset += b["advance_clock"].get<std::int64_t>();
    }
    return admin_answer(
        {{"download_url_lifetime", w.download_url_lifetime},
         {"content_url_lifetime", w.content_url_lifetime},
         {"range_needs_accept", w.range_needs_accept},
         {"ignore_ranges", w.ignore_ranges},
         {"file_etags", w.file_etags},
         {"reject_authorization", w.reject_authorization},
         {"page_size", w.page_size},
         {"page_size_max", w.page_size_max},
         {"max_concurrency", w.manners.max_concurrency},
         {"list_feed", w.list_feed},
         {"now", w.now()}}
    );
}

response admin_bulk(world& w, const json& b) {
    drive* d = drive_of(w, b);
    if (d == nullptr && b.contains("user")) {
        std::string name = b["user"].get<std::string>();
        user& u = w.directory.add_user(name, name, no_drive::has_one, "Member");
        d = &w.directory.drive_at(u.drives[0]);
    }
    if (d == nullptr) {
        throw std::runtime_error("bulk: there is no such drive");
    }
    bulk_fill(
        w, *d, b.value("items", std::size_t{1000}), b.value("folders", std::size_t{10}),
        b.value("file_size", std::int64_t{1024}), b.value("seed", std::uint64_t{1})
    );
    return admin_answer({{"drive", d->id}, {"items", d->live_count()}});
}

response admin_limits(world& w, const request& r) {
    if (r.method == "POST") {
        std::string error = w.limits.configure(admin_body(r));
        if (!error.empty()) {
            throw std::runtime_error(error);
        }
    }
    return admin_answer(w.limits.report(now_ms()));
}

response admin_token(world& w, const json& b) {
    std::int64_t lifetime = b.value("lifetime", day_seconds);
    return admin_answer(
        {{"access_token", w.auth.issue(w.now(), lifetime)},
         {"token_type", "Bearer"},
         {"expires_in", lifetime},
         {"refresh_token", w.auth.issue_refresh(w.now())}}
    );
}

response admin_seed(world& w, const json& b) {
    w.reset(options_in(w, b));
    return admin_answer({{"items", w.directory.item_count()}});
}

response admin_import(world& w, const json& b) {
    const auto label = b.at("label").get<std::string>();
    return admin_answer({{"drive", import_folder(w, label, b.at("folder").get<std::string>())}});
}

response admin_changes(world& w, const json& b) {
    return admin_answer({{"changes", random_changes(w, b)}});
}

response admin_change(world& w, const json& b) {
    return admin_answer(precise_change(w, b));
}

/// What is told by a body alone.
constexpr std::pair<std::string_view, response (*)(world&, const json&)> orders[] = {
    {"seed", admin_seed},           {"reset", admin_seed},     {"bulk", admin_bulk},
    {"import", admin_import},       {"change", admin_changes}, {"op", admin_change},
    {"directory", admin_directory}, {"auth", admin_auth},      {"token", admin_token},
    {"settings", admin_settings},
};

response route(world& w, const request& r) {
    auto s = split(r.path, '/');
    std::string what = s.size() > 1 ? s[1] : "";
    bool resets = s.size() > 2 && s[2] == "reset";
    for (const auto& [name, obey] : orders) {
        if (what == name) {
            return obey(w, admin_body(r));
        }
    }
    if (what == "tenant" || what.empty()) {
        return admin_answer(tenant_json(w));
    }
    if (what == "expected") {
        return admin_expected(w, r);
    }
    if (what == "faults") {
        return admin_faults(w, r, s);
    }
    if (what == "limits") {
        return admin_limits(w, r);
    }
    if (what == "manners") {
        if (r.method == "DELETE" || resets) {
            w.manners.reset_violations();
        }
        return admin_answer(w.manners.violations());
    }
    if (what == "requests") {
        if (resets) {
            w.manners.reset_counters();
            w.downloads.clear();
        }
        return admin_answer(w.manners.counters());
    }
    if (what == "downloads") {
        return admin_answer(json(w.downloads.empty() ? json::object() : json(w.downloads)));
    }
    if (what == "log") {
        return admin_answer({{"log", w.manners.log(std::stoull(r.parameter("limit", "100")))}});
    }
    if (what == "exchange") {
        return serve_exchange_admin(w, r, s);
    }
    throw std::runtime_error("there is no /_sim/" + what);
}

}  // namespace

response serve_admin(world& w, const request& r) {
    try {
        return route(w, r);
    } catch (const std::exception& e) {
        return json_response(
            400, json{{"error", e.what()}}.dump(-1, ' ', false, json::error_handler_t::replace) + "\n"
        );
    }
}

}  // namespace m365stage::sim
