# fragment of the room man
dist_man_MANS += %D%/tercet.1
dist_man_MANS += %D%/tercet-names.7 %D%/tercet-mapping.7 %D%/tercet-durability.7 \
	%D%/tercet-mqtt.7 %D%/tercet-amqp.7 %D%/tercet-kafka.7 \
	%D%/tercet-security.7
