import com.amazonaws.services.dynamodbv2.local.main.ServerRunner;
import com.amazonaws.services.dynamodbv2.local.server.DynamoDBProxyServer;
import java.io.IOException;
import java.lang.reflect.Field;
import org.eclipse.jetty.server.Server;
import org.eclipse.jetty.server.ServerConnector;

/**
 * Starts DynamoDB Local in memory, on the loopback interface alone. DynamoDB Local itself listens on
 * every interface, does not choose a free port, and outlives whoever started it.
 *
 * The argument is the port, 0 for a free one, which is printed. The process ends when its standard
 * input does: the other end is held by whoever started it, and is closed by the kernel when that
 * process dies, however it dies.
 */
public final class Launcher {
    public static void main(String[] args) throws Exception {
        Thread watchdog = new Thread(Launcher::endWithInput, "watchdog");
        watchdog.setDaemon(true);
        watchdog.start();
        // The port is set below: the command line takes no 0. Nothing listens on this one.
        DynamoDBProxyServer proxy = ServerRunner.createServerFromCommandLineArgs(
                new String[] {"-inMemory", "-disableTelemetry", "-port", "8000"});
        Field field = DynamoDBProxyServer.class.getDeclaredField("server");
        field.setAccessible(true);
        ServerConnector connector = (ServerConnector) ((Server) field.get(proxy)).getConnectors()[0];
        connector.setHost("127.0.0.1");
        connector.setPort(Integer.parseInt(args[0]));
        proxy.safeStart();
        System.out.println("lockproof: listening on " + connector.getLocalPort());
        proxy.join();
    }

    private static void endWithInput() {
        try {
            while (System.in.read() >= 0) {
                // Nothing is ever written.
            }
        } catch (IOException e) {
            // As good as an end.
        }
        Runtime.getRuntime().halt(0);
    }
}
