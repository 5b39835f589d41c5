# fragment of the room protocols/amqp
