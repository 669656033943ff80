// Bouncy Castle's EST client, as a device has it: cacerts, simpleenroll with HTTP Basic, simplereenroll with the certificate and a new key.
// Arguments: server (host:port), label, file of the server's certificate, user, password, folder to write first.pem and next.pem into.

import java.io.FileInputStream;
import java.io.FileWriter;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.util.Collection;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.cert.jcajce.JcaX509CertificateConverter;
import org.bouncycastle.est.ESTAuth;
import org.bouncycastle.est.ESTService;
import org.bouncycastle.est.HttpAuth;
import org.bouncycastle.est.jcajce.JsseESTServiceBuilder;
import org.bouncycastle.openssl.jcajce.JcaPEMWriter;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;
import org.bouncycastle.pkcs.jcajce.JcaPKCS10CertificationRequestBuilder;

public class EstClient {
  public static void main(String[] args) throws Exception {
    String server = args[0], label = args[1], user = args[3], password = args[4];
    Path folder = Path.of(args[5]);
    X509TrustManager trust = trusting(args[2]);

    JsseESTServiceBuilder plain = new JsseESTServiceBuilder(server, trust);
    plain.withLabel(label);
    ESTService service = plain.build();
    Collection<X509CertificateHolder> authorities = service.getCACerts().getCertificateStore().getMatches(null);
    System.out.println("authorities " + authorities.size());

    KeyPair keys = newKeys();
    ESTAuth auth = new HttpAuth(user, password.toCharArray());
    X509Certificate first = only(service.simpleEnroll(false, csr("CN=whoever", keys), auth).getStore().getMatches(null));
    first.verify(new JcaX509CertificateConverter().getCertificate(authorities.iterator().next()).getPublicKey());
    write(folder.resolve("first.pem"), first);

    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    store.setKeyEntry("device", keys.getPrivate(), new char[0], new Certificate[] {first});
    KeyManagerFactory managers = KeyManagerFactory.getInstance("SunX509");
    managers.init(store, new char[0]);
    JsseESTServiceBuilder proving = new JsseESTServiceBuilder(server, trust);
    proving.withLabel(label);
    proving.withKeyManagers(managers.getKeyManagers());
    PKCS10CertificationRequest again = csr(first.getSubjectX500Principal().getName(), newKeys());
    write(folder.resolve("next.pem"), only(proving.build().simpleEnroll(true, again, null).getStore().getMatches(null)));
  }

  private static KeyPair newKeys() throws Exception {
    KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
    generator.initialize(new ECGenParameterSpec("secp256r1"));
    return generator.generateKeyPair();
  }

  private static PKCS10CertificationRequest csr(String subject, KeyPair keys) throws Exception {
    return new JcaPKCS10CertificationRequestBuilder(new X500Name(subject), keys.getPublic())
        .build(new JcaContentSignerBuilder("SHA256withECDSA").build(keys.getPrivate()));
  }

  private static X509TrustManager trusting(String file) throws Exception {
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    try (FileInputStream in = new FileInputStream(file)) {
      store.setCertificateEntry("server", CertificateFactory.getInstance("X.509").generateCertificate(in));
    }
    TrustManagerFactory factory = TrustManagerFactory.getInstance("PKIX");
    factory.init(store);
    return (X509TrustManager) factory.getTrustManagers()[0];
  }

  private static X509Certificate only(Collection<X509CertificateHolder> holders) throws Exception {
    if (holders.size() != 1) throw new IllegalStateException("not one certificate: " + holders.size());
    return new JcaX509CertificateConverter().getCertificate(holders.iterator().next());
  }

  private static void write(Path file, X509Certificate certificate) throws Exception {
    try (JcaPEMWriter out = new JcaPEMWriter(new FileWriter(file.toFile()))) {
      out.writeObject(certificate);
    }
  }
}
