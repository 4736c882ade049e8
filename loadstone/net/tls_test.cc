// HTTPS with a client of OpenSSL's own.

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>

#include "loadstone/net/http_server.h"
#include "loadstone/net/internal/test_server.h"
#include "loadstone/net/session_cookie.h"

namespace loadstone::net {

using internal::body_of;
using internal::field_of;
using internal::RawClient;
using internal::TestServer;
using internal::wait_until;
using testing::HasSubstr;

namespace {

template <auto Free>
struct Freed {
    template <class T>
    void operator()(T* object) const {
        Free(object);
    }
};

// A key and a certificate signed with it, in files that are gone with the object.
struct Certificate {
    Certificate() {
        std::string pattern =
            (std::filesystem::temp_directory_path() / "loadstone-tls-XXXXXX").string();
        folder = ::mkdtemp(pattern.data());
        key_file = folder / "key.pem";
        file = folder / "certificate.pem";
        const std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>> key(EVP_EC_gen("P-256"));
        const std::unique_ptr<X509, Freed<X509_free>> certificate(X509_new());
        ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
        X509_gmtime_adj(X509_getm_notBefore(certificate.get()), 0);
        X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
        X509_set_pubkey(certificate.get(), key.get());
        X509_sign(certificate.get(), key.get(), EVP_sha256());
        write(key_file, [&](std::FILE* out) {
            PEM_write_PrivateKey(out, key.get(), nullptr, nullptr, 0, nullptr, nullptr);
        });
        write(file, [&](std::FILE* out) { PEM_write_X509(out, certificate.get()); });
    }
    ~Certificate() { std::filesystem::remove_all(folder); }

    template <class Write>
    static void write(const std::filesystem::path& path, Write write_to) {
        std::FILE* const out = std::fopen(path.c_str(), "w");
        write_to(out);
        std::fclose(out);
    }
    HttpOptions options() const {
        HttpOptions options;
        options.tls_certificate = file;
        options.tls_key = key_file;
        return options;
    }

    std::filesystem::path folder, key_file, file;
};

class TlsClient {
public:
    explicit TlsClient(std::uint16_t port, int version = 0) {
        socket_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const timeval patience{10, 0};
        ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        EXPECT_EQ(::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address),
                  0);
        context_.reset(SSL_CTX_new(TLS_client_method()));
        SSL_CTX_set_security_level(context_.get(), 0);
        SSL_CTX_set_max_proto_version(context_.get(), version);
        SSL_CTX_set_min_proto_version(context_.get(), version);
        const unsigned char protocols[] = "\x02h2\x08http/1.1";
        SSL_CTX_set_alpn_protos(context_.get(), protocols, sizeof protocols - 1);
        ssl_.reset(SSL_new(context_.get()));
        SSL_set_fd(ssl_.get(), socket_);
        is_connected = SSL_connect(ssl_.get()) == 1;
    }
    ~TlsClient() { ::close(socket_); }
    TlsClient(const TlsClient&) = delete;
    TlsClient& operator=(const TlsClient&) = delete;

    void send(std::string_view text) {
        SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size()));
    }
    std::string receive_all() {
        std::string text;
        char bytes[16 * 1024];
        int count = 0;
        while ((count = SSL_read(ssl_.get(), bytes, sizeof bytes)) > 0)
            text.append(bytes, static_cast<std::size_t>(count));
        was_closed_properly = SSL_get_error(ssl_.get(), count) == SSL_ERROR_ZERO_RETURN;
        return text;
    }
    std::string protocol() const {
        const unsigned char* name = nullptr;
        unsigned int size = 0;
        SSL_get0_alpn_selected(ssl_.get(), &name, &size);
        return std::string(reinterpret_cast<const char*>(name), size);
    }

    bool is_connected = false;
    bool was_closed_properly = false;

private:
    int socket_ = -1;
    std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>> context_;
    std::unique_ptr<SSL, Freed<SSL_free>> ssl_;
};

Task<Response> echo(Context&, const Request& request) {
    std::string text(request.body());
    Response response = text_response(std::move(text));
    response.headers.push_back(session_cookie(request, "token", std::chrono::seconds(60)));
    co_return response;
}

Task<Response> user(Context& context) {
    co_return text_response(context.session() ? "somebody" : "nobody");
}

Task<std::optional<runtime::Session>> resolve(Context&, std::string_view token) {
    std::optional<runtime::Session> session;
    if (token == "good") session.emplace();
    co_return session;
}

void declare(Routes& routes) {
    routes.post("/echo", echo).open_to_all().body_max(1'000'000);
    routes.get("/user", user).session_optional();
}

TEST(Tls, ServesRequestsAndClosesProperly) {
    const Certificate certificate;
    TestServer server(declare, certificate.options());
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        TlsClient client(server.server->port(), version);
        ASSERT_TRUE(client.is_connected);
        EXPECT_EQ(client.protocol(), "http/1.1");
        const std::string body(300'000, 'b');
        client.send("POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc");
        client.send(
            "POST /echo HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Length: "
            "300000\r\n\r\n");
        client.send(body);
        const std::string all = client.receive_all();
        EXPECT_TRUE(client.was_closed_properly);
        EXPECT_EQ(field_of(all, "Strict-Transport-Security"), "max-age=31536000");
        EXPECT_THAT(field_of(all, "Set-Cookie"), HasSubstr("__Host-session=token; "));
        EXPECT_THAT(field_of(all, "Set-Cookie"), HasSubstr("; Secure"));
        EXPECT_TRUE(all.ends_with(body));
    }
}

TEST(Tls, TakesTheSessionOnlyFromTheCookieOfThisHost) {
    const Certificate certificate;
    TestServer server(declare, certificate.options(), 1, resolve);
    for (const auto& [cookie, answer] :
         {std::pair("__Host-session=good", "somebody"), {"session=good", "nobody"}}) {
        TlsClient client(server.server->port());
        client.send(std::string("GET /user HTTP/1.1\r\nHost: h\r\nConnection: close\r\nCookie: ") +
                    cookie + "\r\n\r\n");
        EXPECT_EQ(body_of(client.receive_all()), answer) << cookie;
    }
}

TEST(Tls, RefusesOldVersionsPlainTextAndSilence) {
    const Certificate certificate;
    HttpOptions options = certificate.options();
    options.limits.header_timeout = std::chrono::milliseconds(100);
    TestServer server(declare, options);
    EXPECT_FALSE(TlsClient(server.server->port(), TLS1_1_VERSION).is_connected);
    RawClient plain = server.connect();
    plain.send("GET /user HTTP/1.1\r\nHost: h\r\n\r\n");
    EXPECT_EQ(plain.receive_all().find("HTTP/1.1"), std::string::npos);
    RawClient silent = server.connect();
    EXPECT_TRUE(silent.is_closed());
    EXPECT_TRUE(
        wait_until([&] { return server.counted("loadstone_http_handshake_failures_total") == 3; }));
}

TEST(Tls, DrainsIdleConnections) {
    const Certificate certificate;
    TestServer server(declare, certificate.options());
    TlsClient client(server.server->port());
    ASSERT_TRUE(client.is_connected);
    EXPECT_TRUE(wait_until([&] { return server.counted("loadstone_http_connections") == 1; }));
    EXPECT_TRUE(server.server->drain(Deadline::in(std::chrono::seconds(10))));
    EXPECT_EQ(client.receive_all(), "");
}

TEST(Tls, NamesTheFileThatItCannotUse) {
    const Certificate certificate;
    const Certificate other;
    const auto message = [](const std::filesystem::path& file, const std::filesystem::path& key) {
        HttpOptions options;
        options.tls_certificate = file;
        options.tls_key = key;
        try {
            const TestServer server(declare, options);
        } catch (const Error& error) {
            EXPECT_EQ(error.code(), Errc::invalid_argument);
            return error.message();
        }
        return std::string("no error");
    };
    EXPECT_THAT(message("/nowhere.pem", certificate.key_file),
                HasSubstr("certificate in '/nowhere.pem'"));
    EXPECT_THAT(message(certificate.file, "/nowhere.pem"), HasSubstr("key in '/nowhere.pem'"));
    EXPECT_THAT(message(certificate.file, other.key_file), HasSubstr(other.key_file.string()));
    EXPECT_THAT(message(certificate.file, ""), HasSubstr("both a certificate and a key"));
    const auto locked = certificate.folder / "locked.pem";
    const std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>> key(EVP_EC_gen("P-256"));
    Certificate::write(locked, [&](std::FILE* out) {
        PEM_write_PrivateKey(out, key.get(), EVP_aes_256_cbc(), nullptr, 0, nullptr,
                             const_cast<char*>("secret"));
    });
    EXPECT_THAT(message(certificate.file, locked), HasSubstr("has a passphrase"));
    std::ofstream(certificate.folder / "text") << "no PEM";
    EXPECT_THAT(message(certificate.folder / "text", certificate.key_file), HasSubstr("/text'"));
}

}  // namespace
}  // namespace loadstone::net
