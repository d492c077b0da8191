#include "faces/jupyter/access.hpp"

#include <algorithm>
#include <boost/asio/ip/address.hpp>

#include "base/text.hpp"
#include "protocol/constant_time.hpp"
#include "protocol/mime.hpp"

namespace perijove {
namespace {

struct Authorization {
  std::string_view scheme;
  std::string_view credentials;
};

Authorization authorization_of(const HttpRequest& request) {
  const std::string_view value = trim(request.header("Authorization"));
  const std::size_t space = std::min(value.find_first_of(" \t"), value.size());
  return {value.substr(0, space), trim(value.substr(space))};
}

bool has_valid_token(const JupyterFaceOptions& options, const HttpRequest& request) {
  if (options.token.empty()) return false;
  const auto [scheme, credentials] = authorization_of(request);
  if ((equal_ignoring_case(scheme, "token") || equal_ignoring_case(scheme, "bearer")) &&
      equal_in_constant_time(credentials, options.token)) {
    return true;
  }
  const auto argument = request.argument("token");
  return argument && equal_in_constant_time(*argument, options.token);
}

bool has_valid_password(const JupyterFaceOptions& options, const HttpRequest& request) {
  const auto [scheme, credentials] = authorization_of(request);
  if (options.token.empty() || !equal_ignoring_case(scheme, "basic")) return false;
  const auto decoded = decode_mime("application/octet-stream", credentials);
  if (!decoded) return false;
  const std::size_t colon = decoded->find(':');
  return colon != std::string::npos &&
         equal_in_constant_time(std::string_view(*decoded).substr(colon + 1), options.token);
}

// "http://127.0.0.1:8888" and "http://[::1]:8888" without scheme; empty for "null", the origin of
// sandboxed pages and of files.
std::string_view authority_of(std::string_view origin) {
  const std::size_t scheme = origin.find("://");
  return scheme == std::string_view::npos ? std::string_view() : origin.substr(scheme + 3);
}

std::string host_name(std::string_view authority) {
  if (authority.starts_with('[')) {
    return std::string(authority.substr(1, authority.find(']') - 1));
  }
  return std::string(authority.substr(0, authority.find(':')));
}

// A `*` takes at least one character of a host's name or a port: nothing that could end it and
// begin another. Where the last star so far takes the least, those behind it have most to take
// from, so only that one ever has to take more.
bool matches_origin(std::string_view pattern, std::string_view origin) {
  const auto may_be_taken = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  };
  std::size_t in_pattern = 0;
  std::size_t in_origin = 0;
  std::size_t behind_star = std::string_view::npos;
  std::size_t taken_until = 0;
  while (in_origin < origin.size()) {
    const char wanted = in_pattern < pattern.size() ? pattern[in_pattern] : '\0';
    if (wanted == '*' && may_be_taken(origin[in_origin])) {
      behind_star = ++in_pattern;
      taken_until = ++in_origin;
    } else if (wanted != '*' && wanted == origin[in_origin]) {
      ++in_pattern;
      ++in_origin;
    } else if (behind_star != std::string_view::npos && may_be_taken(origin[taken_until])) {
      in_pattern = behind_star;
      in_origin = ++taken_until;
    } else {
      return false;
    }
  }
  return in_pattern == pattern.size();
}

bool origin_allowed(const JupyterFaceOptions& options, std::string_view origin) {
  return std::any_of(
      options.allow_origins.begin(), options.allow_origins.end(),
      [&](const std::string& each) { return each == "*" || matches_origin(each, origin); });
}

bool host_allowed(const JupyterFaceOptions& options, std::string_view authority) {
  if (authority.empty()) return true;  // HTTP/1.0; a browser always sends one
  const std::string host = host_name(authority);
  boost::system::error_code not_an_address;
  boost::asio::ip::make_address(host, not_an_address);
  if (!not_an_address || equal_ignoring_case(host, "localhost")) return true;
  return std::any_of(
      options.allow_hosts.begin(), options.allow_hosts.end(),
      [&](const std::string& each) { return each == "*" || equal_ignoring_case(each, host); });
}

}  // namespace

Access check_access(const JupyterFaceOptions& options, const HttpRequest& request) {
  Access access;
  const bool token_given = has_valid_token(options, request);
  const std::string_view origin = request.header("Origin");
  const bool wildcard = origin_allowed(options, "*");

  // A preflight carries no token by design; its answer gives nothing away.
  const bool preflight = request.method == "OPTIONS" && !options.token.empty();
  if (wildcard && !options.allow_credentials) {
    access.cors_headers.emplace_back("Access-Control-Allow-Origin", "*");
  } else if (!origin.empty() && (origin_allowed(options, origin) || token_given || preflight)) {
    access.cors_headers.emplace_back("Access-Control-Allow-Origin", origin);
    access.cors_headers.emplace_back("Vary", "Origin");
  }
  if (options.allow_credentials) {
    access.cors_headers.emplace_back("Access-Control-Allow-Credentials", "true");
  }
  access.cors_headers.emplace_back("Access-Control-Expose-Headers", options.expose_headers.empty()
                                                                        ? "Location"
                                                                        : options.expose_headers);
  access.preflight_headers = {
      {"Access-Control-Allow-Headers", options.allow_headers.empty()
                                           ? "accept, content-type, authorization, x-xsrftoken"
                                           : options.allow_headers},
      {"Access-Control-Allow-Methods", options.allow_methods.empty()
                                           ? "GET, PUT, POST, PATCH, DELETE, OPTIONS"
                                           : options.allow_methods}};
  if (!options.max_age.empty()) {
    access.preflight_headers.emplace_back("Access-Control-Max-Age", options.max_age);
  }
  if (token_given) return access;
  if (!options.token.empty() && !has_valid_password(options, request)) {
    access.refused_status = 401;
    access.refused_message =
        "Unauthorized: give the gateway's token as ?token=T or as the header Authorization: token "
        "T";
    return access;
  }
  const std::string_view own = authority_of(origin);
  const bool same_origin = !own.empty() && equal_ignoring_case(own, request.header("Host"));
  if (options.token.empty() && !host_allowed(options, request.header("Host"))) {
    access.refused_status = 403;
    access.refused_message =
        "Forbidden: requests for this Host are not answered; add it with --allow-host";
  } else if (!origin.empty() && !origin_allowed(options, origin) && !same_origin) {
    access.refused_status = 403;
    access.refused_message =
        "Forbidden: cross-origin request; allow this Origin with --allow-origin, or use a token";
  }
  return access;
}

}  // namespace perijove
