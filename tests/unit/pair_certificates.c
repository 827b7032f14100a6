/* The certificates of the two nodes, over since an hour: dates are ignored. */
#include "pair.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

static EVP_PKEY *new_key(const char *path)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	assert_non_null(key);
	if (path != NULL) {
		FILE *file = fopen(path, "we");
		assert_non_null(file);
		assert_int_equal(PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL), 1);
		assert_int_equal(fclose(file), 0);
	}
	return key;
}

static X509 *new_certificate(EVP_PKEY *key, const char *name, X509 *issuer, EVP_PKEY *issuer_key)
{
	X509 *certificate = X509_new();
	assert_int_equal(X509_set_version(certificate, 2), 1);
	ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
	X509_gmtime_adj(X509_getm_notBefore(certificate), -7200);
	X509_gmtime_adj(X509_getm_notAfter(certificate), -3600); /* over: dates are ignored */
	X509_set_pubkey(certificate, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
		(const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(
		certificate, X509_get_subject_name(issuer != NULL ? issuer : certificate));
	if (issuer == NULL) {
		X509_EXTENSION *extension =
			X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
		X509_add_ext(certificate, extension, -1);
		X509_EXTENSION_free(extension);
	}
	assert_true(X509_sign(certificate, issuer_key, EVP_sha256()) > 0);
	return certificate;
}

static void write_certificate(const char *folder, const char *name, X509 *certificate)
{
	char path[256];
	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	FILE *file = fopen(path, "we");
	assert_non_null(file);
	assert_int_equal(PEM_write_X509(file, certificate), 1);
	assert_int_equal(fclose(file), 0);
}

static void make_certificate(const char *folder, const char *name, X509 *ca, EVP_PKEY *ca_key)
{
	char path[256];
	assert_int_equal(mkdir(folder, 0700), 0);
	(void)snprintf(path, sizeof(path), "%s/node.key", folder);
	EVP_PKEY *key = new_key(path);
	X509 *certificate = new_certificate(key, name, ca, ca_key);
	write_certificate(folder, "ca.pem", ca);
	write_certificate(folder, "node.pem", certificate);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

void pair_make_certificates(void)
{
	EVP_PKEY *ca_key = new_key(NULL);
	X509 *ca = new_certificate(ca_key, "test CA", NULL, ca_key);
	make_certificate(nodes[0].tls, "alpha", ca, ca_key);
	make_certificate(nodes[1].tls, "beta", ca, ca_key);
	X509_free(ca);
	EVP_PKEY_free(ca_key);
}

void pair_make_foreigner(char out_folder[PAIR_PATH_SIZE])
{
	char ours[256], theirs[256];
	(void)snprintf(out_folder, PAIR_PATH_SIZE, "%.100s-foreign", nodes[0].tls);
	EVP_PKEY *ca_key = new_key(NULL);
	X509 *ca = new_certificate(ca_key, "test CA", NULL, ca_key);
	make_certificate(out_folder, "alpha", ca, ca_key);
	X509_free(ca);
	EVP_PKEY_free(ca_key);
	(void)snprintf(ours, sizeof(ours), "%s/ca.pem", nodes[0].tls);
	(void)snprintf(theirs, sizeof(theirs), "%s/ca.pem", out_folder);
	assert_int_equal(unlink(theirs), 0);
	assert_int_equal(link(ours, theirs), 0);
}
