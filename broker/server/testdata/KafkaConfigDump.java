// Prints Apache Kafka's own definition of the broker's configuration, one key a line, tab-separated:
// name, type, default, constraint, how it can be changed at run time, "internal" or nothing.
//
//     java -cp 'libs/*' KafkaConfigDump.java > kafka-4.4.0-broker-config.tsv
//
// where libs/ holds the jars of org.apache.kafka:kafka_2.13:4.4.0 and what they depend on.

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.common.config.ConfigDef;
import org.apache.kafka.server.config.DynamicBrokerConfig;
import org.apache.kafka.server.config.DynamicConfig;

public class KafkaConfigDump {
    public static void main(String[] args) {
        Map<String, String> modes = DynamicBrokerConfig.dynamicConfigUpdateModes();
        Map<String, ConfigDef.ConfigKey> keys = new TreeMap<>(DynamicConfig.Broker.configKeys());
        keys.putAll(kafka.server.KafkaConfig.configDef().configKeys());
        for (ConfigDef.ConfigKey key : keys.values()) {
            System.out.println(String.join("\t",
                key.name,
                key.type.toString(),
                text(key.defaultValue),
                key.validator == null ? "" : key.validator.toString(),
                modes.getOrDefault(key.name, "read-only"),
                key.internalConfig ? "internal" : ""));
        }
    }

    private static String text(Object value) {
        if (value == ConfigDef.NO_DEFAULT_VALUE) return "<required>";
        if (value == null) return "<null>";
        if (value instanceof Class<?> type) return type.getName();
        if (value instanceof List<?> list) return String.join(",", list.stream().map(Object::toString).toList());
        return value.toString();
    }
}
