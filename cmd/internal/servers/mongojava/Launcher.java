import de.bwaldvogel.mongo.MongoServer;
import de.bwaldvogel.mongo.MongoVersion;
import de.bwaldvogel.mongo.backend.h2.H2Backend;
import java.io.File;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.List;
import org.h2.mvstore.MVMap;
import org.h2.mvstore.MVStore;

/**
 * Starts mongo-java-server on the loopback interface, with its H2 backend in memory.
 *
 * The arguments are the port (0 for a free one, which is printed), a file, and "oplog" if there shall
 * be one, which is what change streams read. If the file exists, its data are loaded and it is
 * removed. A line on standard input shuts the server down in an orderly way and saves the data there.
 *
 * The process ends when its standard input does: the other end is held by whoever started it, and is
 * closed by the kernel when that process dies, however it dies. Nothing is saved then.
 */
public final class Launcher {
    public static void main(String[] args) throws Exception {
        String file = args[1];
        MVStore memory = MVStore.open(null);
        if (new File(file).exists()) {
            MVStore saved = MVStore.open(file);
            copy(saved, memory);
            saved.close();
            new File(file).delete();
        }
        H2Backend backend = new H2Backend(memory) {
            @Override
            public void close() { // after the last client is gone
                MVStore kept = MVStore.open(file);
                copy(memory, kept);
                kept.close();
                super.close();
            }
        };
        backend.version(new Claimed());
        MongoServer server = new MongoServer(backend);
        if (args[2].equals("oplog")) {
            server.enableOplog();
        }
        try {
            // One thread for all: a reply is encoded after the collection is let go, from the very
            // document that it keeps, so with more a read could be half of one write and half of the next.
            server.bind(new InetSocketAddress("127.0.0.1", Integer.parseInt(args[0])), 1, 1);
        } catch (Throwable e) { // which may be a checked one, undeclared
            e.printStackTrace();
            Runtime.getRuntime().halt(1); // the server's threads would go on
        }
        System.out.println("lockproof: listening on " + server.getLocalAddress().getPort());
        if (toldToSave()) {
            server.shutdownNow();
        }
        Runtime.getRuntime().halt(0);
    }

    private static boolean toldToSave() {
        try {
            return System.in.read() >= 0;
        } catch (IOException e) {
            return false; // as good as an end
        }
    }

    private static void copy(MVStore from, MVStore to) {
        for (String name : from.getMapNames()) {
            MVMap<Object, Object> target = to.openMap(name);
            MVMap<Object, Object> source = from.openMap(name);
            source.forEach(target::put);
        }
    }

    /** The oldest version that today's drivers talk to; by itself the server claims an older one. */
    private static final class Claimed implements MongoVersion {
        @Override
        public List<Integer> getVersionArray() {
            return List.of(4, 4, 0);
        }

        @Override
        public String toVersionString() {
            return "4.4.0";
        }

        @Override
        public int getWireVersion() {
            return 9;
        }
    }
}
