package admin

import "errors"

func (a *API) lookup(q *request) error {
	n, err := q.topic()
	if err != nil {
		return err
	}
	o, err := a.o.Placement.Lookup(q.Context(), n, q.URL.Query().Get("listenerName"))
	if err != nil {
		return err
	}
	return q.reply(map[string]string{"brokerUrl": o.BrokerURL, "brokerUrlTls": o.BrokerURLTLS, "httpUrl": o.HTTPURL, "httpUrlTls": o.HTTPURLTLS,
		"nativeUrl": o.BrokerURL, "brokerUrlSsl": o.BrokerURLTLS})
}

func (a *API) lookupBundle(q *request) error {
	n, err := q.topic()
	if err != nil {
		return err
	}
	b, err := a.o.Placement.Bundle(q.Context(), n)
	if err != nil {
		return err
	}
	return q.text(b.Range())
}

func (a *API) brokers(q *request) error {
	list, err := a.o.Placement.Brokers(q.Context())
	if err != nil {
		return err
	}
	return q.reply(nonNil(list))
}

func (a *API) leaderBroker(q *request) error {
	id, url, err := a.o.Placement.Leader(q.Context())
	if err != nil {
		return err
	}
	return q.reply(map[string]string{"brokerId": id, "serviceUrl": url})
}

// health answers ok when metadata can be read.
func (a *API) health(q *request) error {
	if _, err := a.o.Placement.Brokers(q.Context()); err != nil {
		return errors.Join(errors.New("metadata cannot be read"), err)
	}
	return q.text("ok")
}

func (a *API) version(q *request) error { return q.text(a.o.Version) }
